//! The configuration with its origins parsed.

use config::{Configuration, FieldError, HeaderName, NonEmptyString};
use sdk::configuration;

use crate::origin::{self, Origin, Pattern};

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Permitted origins: `https://example.com`, `null`, or `*` for all. `*` if neither this nor `allow_origin_patterns` is set.
    /// zh: 允许的源：`https://example.com`、`null`，或代表所有源的 `*`。未设置本字段和 `allow_origin_patterns` 时为 `*`
    #[serde(default)]
    allow_origins: Vec<NonEmptyString>,
    /// Patterns for permitted origins, see [Patterns](#patterns).
    /// zh: 允许的源的模式，见[模式](#模式)
    #[serde(default)]
    allow_origin_patterns: Vec<NonEmptyString>,
    /// Permitted methods, or `*` for all. `GET`, `HEAD` and `POST` need no permission.
    /// zh: 允许的方法，`*` 代表所有方法。`GET`、`HEAD` 和 `POST` 无需允许
    #[serde(default = "methods")]
    allow_methods: Vec<NonEmptyString>,
    /// Headers that requests may have, or `*` for all.
    /// zh: 请求可以携带的请求头，`*` 代表所有
    #[serde(default = "headers")]
    allow_headers: Vec<NonEmptyString>,
    /// Headers of responses that pages may read.
    /// zh: 页面可以读取的响应头
    #[serde(default)]
    expose_headers: Vec<NonEmptyString>,
    /// Permit cookies and other credentials. Cannot be combined with `*` as an origin.
    /// zh: 允许携带 Cookie 等凭据。不能与源 `*` 同时使用
    #[serde(default)]
    allow_credentials: bool,
    /// Number of seconds for which a browser may remember the answer to a preflight.
    /// zh: 浏览器可以缓存预检结果的秒数
    #[serde(default = "day")]
    max_age: u32,
    /// Permit pages of public networks to access this host in a private one.
    /// zh: 允许公网页面访问位于私有网络中的本主机
    #[serde(default)]
    allow_private_network: bool,
    /// Log and count refusals, but pass the requests. Preflights that are permitted are answered.
    /// zh: 记录并统计拒绝，但放行请求；允许的预检照常应答
    #[serde(default)]
    dry_run: bool,
}

fn texts(texts: &[&str]) -> Vec<NonEmptyString> {
    texts.iter().filter_map(|text| NonEmptyString::try_from((*text).to_owned()).ok()).collect()
}

fn methods() -> Vec<NonEmptyString> {
    texts(&["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
}

fn headers() -> Vec<NonEmptyString> {
    texts(&[
        "DNT",
        "X-CustomHeader",
        "Keep-Alive",
        "User-Agent",
        "X-Requested-With",
        "If-Modified-Since",
        "Cache-Control",
        "Content-Type",
        "Authorization",
    ])
}

fn day() -> u32 {
    86_400
}

/// All, or some.
#[derive(Debug)]
pub enum List {
    /// `*`.
    Any,
    /// These.
    Of(Vec<String>),
}

/// The configuration with its origins parsed.
pub struct Config {
    any_origin: bool,
    /// Sorted.
    origins: Vec<Origin>,
    patterns: Vec<Pattern>,
    /// Permitted methods.
    pub methods: List,
    /// Headers that requests may have.
    pub headers: List,
    /// Headers that pages may read, as one value.
    pub expose_headers: String,
    /// Permit credentials.
    pub allow_credentials: bool,
    /// For how many seconds a browser may remember the answer to a preflight.
    pub max_age: u32,
    /// Permit access from public networks to private ones.
    pub allow_private_network: bool,
    /// Pass what is refused.
    pub dry_run: bool,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let mut any_origin = fields.allow_origins.is_empty() && fields.allow_origin_patterns.is_empty();
        let mut origins = Vec::new();
        for (index, text) in fields.allow_origins.iter().enumerate() {
            match &**text {
                "*" => any_origin = true,
                text => origins.push(
                    origin::parse(text)
                        .map_err(|error| FieldError::in_list("allow_origins", index, error))?,
                ),
            }
        }
        let mut patterns = Vec::new();
        for (index, text) in fields.allow_origin_patterns.iter().enumerate() {
            let error = |error| FieldError::in_list("allow_origin_patterns", index, error);
            let pattern = Pattern::parse(text).map_err(error)?;
            if fields.allow_credentials && pattern.is_any() {
                return Err(error(
                    "matches every host, so with `allow_credentials` every page could act as its visitor: write a domain"
                        .into(),
                ));
            }
            patterns.push(pattern);
        }
        if fields.allow_credentials && any_origin {
            return Err(FieldError::new(
                "allow_credentials",
                "cannot be combined with `*`, because every page could act as its visitor: list the origins in \
                 `allow_origins`",
            ));
        }
        origins.sort_unstable();
        Ok(Self {
            any_origin,
            origins,
            patterns,
            methods: list("allow_methods", &fields.allow_methods)?,
            headers: list("allow_headers", &fields.allow_headers)?,
            expose_headers: match list("expose_headers", &fields.expose_headers)? {
                List::Any if fields.allow_credentials => {
                    return Err(FieldError::new(
                        "expose_headers",
                        "cannot be `*` with `allow_credentials`, where browsers take it as a name: list the headers",
                    ));
                }
                List::Any => "*".to_owned(),
                List::Of(names) => names.join(", "),
            },
            allow_credentials: fields.allow_credentials,
            max_age: fields.max_age,
            allow_private_network: fields.allow_private_network,
            dry_run: fields.dry_run,
        })
    }
}

/// The methods that browsers convert to upper case (Fetch, section 2.2.1).
const NORMALIZED: [&str; 6] = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

/// A list of methods or names of headers, which are tokens.
fn list(field: &str, entries: &[NonEmptyString]) -> Result<List, FieldError> {
    let mut names = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if &**entry == "*" {
            return Ok(List::Any);
        }
        if HeaderName::try_from(entry.to_string()).is_err() {
            let message = "is not valid here: write one name, as in GET or X-Requested-With";
            return Err(FieldError::in_list(field, index, message));
        }
        // Browsers send these in upper case, however a page writes them.
        let upper = entry.to_ascii_uppercase();
        if field == "allow_methods" && NORMALIZED.contains(&upper.as_str()) && upper != **entry {
            let message = format!("never matches, because methods are compared by case: write {upper}");
            return Err(FieldError::in_list(field, index, message));
        }
        names.push(entry.to_string());
    }
    Ok(List::Of(names))
}

impl Config {
    /// Returns true if pages of this origin may read responses.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.any_origin || self.lists(origin) || self.patterns.iter().any(|pattern| pattern.matches(origin))
    }

    /// Returns true if an origin is listed, in any case.
    fn lists(&self, origin: &[u8]) -> bool {
        let folded = || origin.iter().map(u8::to_ascii_lowercase);
        self.origins.binary_search_by(|known| known.bytes().cmp(folded())).is_ok()
    }

    /// Returns true if responses depend on the origin.
    pub fn varies(&self) -> bool {
        !self.any_origin
    }
}
