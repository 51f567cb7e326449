//! What an operator configures, and the patterns compiled from it.

use config::{Configuration, FieldError, NonEmptyString, StatusCode};
use matcher::case::Case;
use matcher::exact::ExactSet;
use matcher::literal::Literals;
use matcher::regexes::{Regexes, begins_otherwise};
use sdk::configuration;

/// The fields as they are written.
#[configuration]
pub struct Fields {
    /// Keywords: blocks a request whose URL contains one.
    /// zh: 关键词：URL 包含其中之一的请求被屏蔽
    #[serde(default)]
    block_urls: Vec<NonEmptyString>,
    /// Blocks a request whose URL is equal to one.
    /// zh: URL 与其中之一完全相等的请求被屏蔽
    #[serde(default)]
    block_exact_urls: Vec<NonEmptyString>,
    /// Regular expressions ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)): blocks a request in whose
    /// URL one is found.
    /// zh: 正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)）：能在 URL 中找到其中之一的请求被屏蔽
    #[serde(default)]
    block_regexp_urls: Vec<NonEmptyString>,
    /// Keywords: blocks a request with one inside the name or a value of a header.
    /// zh: 关键词：某个请求头的名称或值包含其中之一的请求被屏蔽
    #[serde(default)]
    block_headers: Vec<NonEmptyString>,
    /// Keywords: blocks a request whose body contains one. May also be spelt `block_bodys`.
    /// zh: 关键词：请求体包含其中之一的请求被屏蔽。也可写作 `block_bodys`
    #[serde(default, alias = "block_bodys")]
    block_bodies: Vec<NonEmptyString>,
    /// Status of the answer.
    /// zh: 应答的状态码
    #[serde(default = "forbidden")]
    blocked_code: StatusCode,
    /// Body of the answer, sent as `text/plain`.
    /// zh: 应答的正文，以 `text/plain` 发送
    #[serde(default)]
    blocked_message: String,
    /// Whether case counts, in all five lists; in names of headers it never does.
    /// zh: 五个列表是否区分大小写；请求头的名称从不区分
    #[serde(default = "yes")]
    case_sensitive: bool,
    /// Whether the upstream waits for the verdict on a body, see [Bodies](#bodies).
    /// zh: 上游是否等待对请求体的判定，见[请求体](#请求体)。
    #[serde(default)]
    body_mode: BodyMode,
    /// Decide, log and count, but let every request pass.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// What the upstream sees of a body before it has been looked at whole.
#[configuration]
#[derive(Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum BodyMode {
    /// It gets nothing before, as far as the gateway's buffer limit goes.
    /// zh: 判定之前上游什么也收不到，受网关缓冲上限限制
    #[default]
    Hold,
    /// It gets what has been looked at so far, of bodies of any size.
    /// zh: 已检查的部分先行发出，适用于任意大小的请求体
    Stream,
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

fn yes() -> bool {
    true
}

/// The configuration with its patterns compiled.
pub struct Config {
    /// Whether there is any pattern for URLs.
    pub looks_at_urls: bool,
    /// URLs that are equal.
    pub exact_urls: ExactSet,
    /// Keywords in URLs.
    pub urls: Literals,
    /// Regular expressions in URLs.
    pub regexp_urls: Regexes,
    /// Keywords in headers.
    pub headers: Option<HeaderPatterns>,
    /// Keywords in bodies.
    pub bodies: Option<Literals>,
    /// The status of the answer.
    pub blocked_code: StatusCode,
    /// The body of the answer.
    pub blocked_message: String,
    /// What the upstream sees of a body before the verdict.
    pub body_mode: BodyMode,
    /// Let every request pass all the same.
    pub dry_run: bool,
}

/// Keywords that are looked for in headers.
pub struct HeaderPatterns {
    /// In names, which have no case.
    pub names: Literals,
    /// In values, each on its own.
    pub values: Literals,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let lists = [
            &fields.block_urls,
            &fields.block_exact_urls,
            &fields.block_regexp_urls,
            &fields.block_headers,
            &fields.block_bodies,
        ];
        if lists.iter().all(|list| list.is_empty()) {
            return Err(FieldError::new(
                "",
                "blocks nothing: add a pattern to `block_urls`, `block_exact_urls`, `block_regexp_urls`, `block_headers` or `block_bodies`",
            ));
        }
        let case = if fields.case_sensitive { Case::Sensitive } else { Case::Insensitive };
        let literals = |field: &str, patterns: &[NonEmptyString], case| {
            Literals::new(patterns, case).map_err(|error| FieldError::new(field, error.to_string()))
        };
        let headers = if fields.block_headers.is_empty() {
            None
        } else {
            Some(HeaderPatterns {
                names: literals("block_headers", &fields.block_headers, Case::Insensitive)?,
                values: literals("block_headers", &fields.block_headers, case)?,
            })
        };
        let bodies = if fields.block_bodies.is_empty() {
            None
        } else {
            Some(literals("block_bodies", &fields.block_bodies, case)?)
        };
        let url_lists = [&fields.block_urls, &fields.block_exact_urls, &fields.block_regexp_urls];
        Ok(Config {
            looks_at_urls: url_lists.iter().any(|list| !list.is_empty()),
            exact_urls: exact_urls(&fields.block_exact_urls, case)?,
            urls: literals("block_urls", &fields.block_urls, case)?,
            regexp_urls: regexp_urls(&fields.block_regexp_urls, case)?,
            headers,
            bodies,
            blocked_code: fields.blocked_code,
            blocked_message: fields.blocked_message,
            body_mode: fields.body_mode,
            dry_run: fields.dry_run,
        })
    }
}

/// URLs that are compared as a whole, as requests have them: a path, with its query.
fn exact_urls(urls: &[NonEmptyString], case: Case) -> Result<ExactSet, FieldError> {
    let error = |index, message: String| FieldError::in_list("block_exact_urls", index, message);
    for (index, url) in urls.iter().enumerate() {
        if !url.starts_with('/') && &**url != "*" {
            return Err(error(
                index,
                "never matches, because a URL is compared from the `/` on with which its path begins: write for example \
                 /admin"
                    .into(),
            ));
        }
        if url.contains(['#', ' ']) {
            let message = "never matches, because `#` and spaces are encoded in URLs: write `%23` or `%20`";
            return Err(error(index, message.into()));
        }
    }
    ExactSet::new(urls, case).map_err(|problem| error(problem.index, problem.to_string()))
}

/// Expressions that are found in URLs.
fn regexp_urls(patterns: &[NonEmptyString], case: Case) -> Result<Regexes, FieldError> {
    if let Some(index) = patterns.iter().position(|pattern| begins_otherwise(pattern, '/')) {
        return Err(FieldError::in_list(
            "block_regexp_urls",
            index,
            "never matches, because every URL begins with the `/` of its path: write `^/`",
        ));
    }
    Regexes::new(patterns, case)
        .map_err(|error| FieldError::in_list("block_regexp_urls", error.index, error.message))
}
