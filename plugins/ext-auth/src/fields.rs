//! What an operator writes: the fields as they stand in the document.

use std::collections::BTreeMap;
use std::fmt;

use config::{HeaderName, NonEmptyString, StatusCode};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// The fields of a configuration.
#[derive(Deserialize)]
pub struct Fields {
    /// The authorization service, and what goes to it and comes from it.
    pub http_service: HttpService,
    /// Whether the requests of `match_list` pass without being asked about, or are the only ones asked about.
    #[serde(default)]
    pub match_type: MatchType,
    /// Requests by host, method and path.
    #[serde(default)]
    pub match_list: Option<Vec<MatchRule>>,
    /// Whether requests pass when the service gives no answer, or a 5xx one.
    #[serde(default)]
    pub failure_mode_allow: bool,
    /// Whether these requests get `x-envoy-auth-failure-mode-allowed: true`.
    #[serde(default)]
    pub failure_mode_allow_header_add: bool,
    /// The status of the answer to requests that do not pass then.
    #[serde(default = "forbidden")]
    pub status_on_error: StatusCode,
    /// Ask, log and count, but let every request pass.
    #[serde(default)]
    pub dry_run: bool,
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

/// The authorization service.
#[derive(Deserialize)]
pub struct HttpService {
    /// How a request is put to the service.
    #[serde(default)]
    pub endpoint_mode: EndpointMode,
    /// Where it is.
    pub endpoint: Endpoint,
    /// How long it may take to answer, in milliseconds.
    #[serde(default = "one_second")]
    pub timeout: u32,
    /// What goes to the service.
    #[serde(default)]
    pub authorization_request: AuthorizationRequest,
    /// What becomes of its answer.
    #[serde(default)]
    pub authorization_response: AuthorizationResponse,
}

fn one_second() -> u32 {
    1000
}

/// How a request is put to the service.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub enum EndpointMode {
    /// With its own method, and its own path behind a prefix.
    #[default]
    Envoy,
    /// With a fixed method and path; the request's own stand in `X-Forwarded-*` headers.
    ForwardAuth,
}

/// Where the service is.
#[derive(Deserialize)]
pub struct Endpoint {
    /// Its fully qualified name.
    pub service_name: NonEmptyString,
    /// Its port.
    #[serde(default = "http")]
    pub service_port: u16,
    /// The host that it is called by; its name unless written.
    #[serde(default)]
    pub service_host: Option<NonEmptyString>,
    /// What goes before the path, in mode `envoy`.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// The method, in mode `forward_auth`.
    #[serde(default = "get")]
    pub request_method: String,
    /// The path, in mode `forward_auth`.
    #[serde(default)]
    pub path: Option<String>,
}

fn http() -> u16 {
    80
}

fn get() -> String {
    "GET".into()
}

/// What goes to the service.
#[derive(Deserialize, Default)]
pub struct AuthorizationRequest {
    /// Headers of the request that go along; `Authorization` always does.
    #[serde(default)]
    pub allowed_headers: Vec<StringMatcher>,
    /// Headers that are set, whatever the client sends.
    #[serde(default)]
    pub headers_to_add: BTreeMap<HeaderName, Text>,
    /// Not supported: must be false.
    #[serde(default)]
    pub with_request_body: bool,
    /// Without a meaning while no body is sent.
    #[serde(default, rename = "max_request_body_bytes")]
    _max_request_body_bytes: Option<u32>,
}

/// What becomes of the service's answer.
#[derive(Deserialize, Default)]
pub struct AuthorizationResponse {
    /// Headers that are set on the request when the service allows it.
    #[serde(default)]
    pub allowed_upstream_headers: Vec<StringMatcher>,
    /// Headers that the client gets when the service refuses; all, unless written.
    #[serde(default)]
    pub allowed_client_headers: Option<Vec<StringMatcher>>,
}

/// A pattern: exactly one of the five.
#[derive(Deserialize, Default)]
pub struct StringMatcher {
    /// The whole text.
    pub exact: Option<NonEmptyString>,
    /// Its beginning.
    pub prefix: Option<NonEmptyString>,
    /// Its end.
    pub suffix: Option<NonEmptyString>,
    /// Any part of it.
    pub contains: Option<NonEmptyString>,
    /// A regular expression that is found in it (RE2 syntax).
    pub regex: Option<NonEmptyString>,
    /// Names of headers have no case, so this changes nothing.
    #[serde(default, rename = "ignore_case")]
    _ignore_case: bool,
}

/// What the requests of `match_list` are.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    /// They pass without being asked about.
    #[default]
    Whitelist,
    /// They alone are asked about.
    Blacklist,
}

/// Requests by host, method and path: all conditions that are written must hold.
#[derive(Deserialize)]
pub struct MatchRule {
    /// A host, or `*.example.com`.
    pub match_rule_domain: Option<NonEmptyString>,
    /// Methods, one of which it must be.
    #[serde(default)]
    pub match_rule_method: Vec<NonEmptyString>,
    /// What the path is compared with, without its query.
    pub match_rule_path: Option<NonEmptyString>,
    /// How it is compared.
    pub match_rule_type: Option<MatchRuleType>,
}

/// How a path is compared.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum MatchRuleType {
    /// With the whole.
    Exact,
    /// With its beginning.
    Prefix,
    /// With its end.
    Suffix,
    /// With any part.
    Contains,
    /// With a regular expression that is found in it (RE2 syntax).
    Regex,
}

/// A header's value as it is written: `true` and `1` need no quotes.
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}
