//! What an operator configures, and the patterns compiled from it.

use config::{Configuration, FieldError, NonEmptyString, StatusCode};
use matcher::case::Case;
use matcher::exact::ExactSet;
use matcher::literal::Literals;
use matcher::regexes::Regexes;
use serde::Deserialize;

use crate::rules::HeaderPatterns;

/// The fields as they are written.
#[derive(Deserialize)]
pub struct Fields {
    /// Keywords: a request whose URL (path and query) contains one is blocked.
    #[serde(default)]
    block_urls: Vec<NonEmptyString>,
    /// URLs that are blocked when they are equal.
    #[serde(default)]
    block_exact_urls: Vec<NonEmptyString>,
    /// Regular expressions (RE2 syntax): a request in whose URL one is found is blocked.
    #[serde(default)]
    block_regexp_urls: Vec<NonEmptyString>,
    /// Keywords: a request is blocked when the name or a value of one of its headers contains one.
    #[serde(default)]
    block_headers: Vec<NonEmptyString>,
    /// Keywords: a request whose body contains one is blocked.
    #[serde(default, alias = "block_bodys")]
    block_bodies: Vec<NonEmptyString>,
    /// The status of the answer.
    #[serde(default = "forbidden")]
    blocked_code: StatusCode,
    /// The body of the answer.
    #[serde(default)]
    blocked_message: String,
    /// Whether case matters, for all patterns; names of headers never have case.
    #[serde(default = "yes")]
    case_sensitive: bool,
    /// Whether the upstream waits for the verdict on a body.
    #[serde(default)]
    body_mode: BodyMode,
    /// Decide, log and count, but let every request pass.
    #[serde(default)]
    dry_run: bool,
}

/// What the upstream sees of a body before it has been looked at whole.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum BodyMode {
    /// Nothing: the gateway holds the body, as far as its buffer limit goes.
    #[default]
    Hold,
    /// What has been looked at so far: bodies of any size.
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
            exact_urls: ExactSet::new(&fields.block_exact_urls, case)
                .map_err(|error| FieldError::in_list("block_exact_urls", error.index, error.to_string()))?,
            urls: literals("block_urls", &fields.block_urls, case)?,
            regexp_urls: Regexes::new(&fields.block_regexp_urls, case)
                .map_err(|error| FieldError::in_list("block_regexp_urls", error.index, error.message))?,
            headers,
            bodies,
            blocked_code: fields.blocked_code,
            blocked_message: fields.blocked_message,
            body_mode: fields.body_mode,
            dry_run: fields.dry_run,
        })
    }
}
