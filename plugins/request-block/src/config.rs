//! The configuration and its compiled patterns.

use config::{Configuration, FieldError, NonEmptyString, StatusCode};
use matcher::case::Case;
use matcher::exact::ExactSet;
use matcher::literal::Literals;
use matcher::regexes::{Regexes, begins_otherwise};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Keywords. Blocks requests whose URL contains one of them.
    /// zh: 关键词：屏蔽 URL 包含其中之一的请求
    #[serde(default)]
    block_urls: Vec<NonEmptyString>,
    /// Blocks requests whose URL equals one of them.
    /// zh: 屏蔽 URL 与其中之一完全相同的请求
    #[serde(default)]
    block_exact_urls: Vec<NonEmptyString>,
    /// Regular expressions ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)). Blocks requests whose URL
    /// matches one of them.
    /// zh: 正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)）：屏蔽 URL 匹配其中之一的请求
    #[serde(default)]
    block_regexp_urls: Vec<NonEmptyString>,
    /// Keywords. Blocks requests with a header whose name or value contains one of them.
    /// zh: 关键词：屏蔽请求头的名称或值包含其中之一的请求
    #[serde(default)]
    block_headers: Vec<NonEmptyString>,
    /// Keywords. Blocks requests whose body contains one of them. `block_bodys` is an alias.
    /// zh: 关键词：屏蔽请求体包含其中之一的请求。也可写作 `block_bodys`
    #[serde(default, alias = "block_bodys")]
    block_bodies: Vec<NonEmptyString>,
    /// Status code of the response.
    /// zh: 响应的状态码
    #[serde(default = "forbidden")]
    blocked_code: StatusCode,
    /// Body of the response, sent as `text/plain`.
    /// zh: 响应的正文，以 `text/plain` 发送
    #[serde(default)]
    blocked_message: String,
    /// Match case-sensitively in all five lists. Header names are always case-insensitive.
    /// zh: 五个列表是否区分大小写；请求头的名称始终不区分
    #[serde(default = "yes")]
    case_sensitive: bool,
    /// What is sent to the upstream before a body has been searched, see [Bodies](#bodies).
    /// zh: 检查完请求体之前向上游发送什么，见[请求体](#请求体)。
    #[serde(default)]
    body_mode: BodyMode,
    /// Log and count decisions, but pass every request.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// What is sent to the upstream before a body has been searched.
#[configuration]
#[derive(Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum BodyMode {
    /// Nothing, within the gateway's buffer limit.
    /// zh: 什么也不发送，受网关缓冲上限限制
    #[default]
    Hold,
    /// The chunks that have been searched, for bodies of any size.
    /// zh: 已检查的数据块，适用于任意大小的请求体
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
    /// True if there are URL patterns.
    pub checks_urls: bool,
    /// Whole URLs.
    pub exact_urls: ExactSet,
    /// Keywords in URLs.
    pub urls: Literals,
    /// Regular expressions in URLs.
    pub regexp_urls: Regexes,
    /// Keywords in headers.
    pub headers: Option<HeaderPatterns>,
    /// Keywords in bodies.
    pub bodies: Option<Literals>,
    /// Status code of the response.
    pub blocked_code: StatusCode,
    /// Body of the response.
    pub blocked_message: String,
    /// What is sent to the upstream before a body has been searched.
    pub body_mode: BodyMode,
    /// Pass every request.
    pub dry_run: bool,
}

/// Keywords in headers.
pub struct HeaderPatterns {
    /// For names, which are case-insensitive.
    pub names: Literals,
    /// For values, each searched separately.
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
            checks_urls: url_lists.iter().any(|list| !list.is_empty()),
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

/// Compiles `block_exact_urls`.
fn exact_urls(urls: &[NonEmptyString], case: Case) -> Result<ExactSet, FieldError> {
    let error = |index, message: String| FieldError::in_list("block_exact_urls", index, message);
    for (index, url) in urls.iter().enumerate() {
        if !url.starts_with('/') && &**url != "*" {
            return Err(error(
                index,
                "never matches, because a URL begins with the `/` of its path: write for example /admin"
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

/// Compiles `block_regexp_urls`.
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
