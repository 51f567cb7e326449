//! The validated configuration and its compiled patterns.

use std::num::NonZeroU32;
use std::time::Duration;

use config::host::HostPattern;
use config::reserved::{is_authority, why_not_settable};
use config::{Configuration, FieldError, HeaderName, HeaderValue, NonEmptyString, StatusCode};
use matcher::case::Case;
use matcher::path::RequestPath;
use matcher::regexes;
use sdk::call::Cluster;

use crate::fields::{Endpoint, EndpointMode, Fields, HttpService, MatchRule, MatchRuleType, MatchType};
use crate::pattern::{HeaderNames, Pattern};
use crate::statuses::Statuses;

/// The default of `max_request_body_bytes`, as in Higress.
const MAX_BODY: u32 = 10 * 1024 * 1024;

/// The configuration.
pub struct Config {
    /// The authorization service.
    pub service: Cluster,
    /// The form of requests to the service.
    pub target: Target,
    /// Timeout of a call.
    pub timeout: Duration,
    /// Headers of the request that are sent to the service.
    pub allowed_headers: HeaderNames,
    /// Headers that are set on requests to the service.
    pub headers_to_add: Vec<(HeaderName, HeaderValue)>,
    /// The largest body that is sent, or `None` to send no bodies.
    pub max_body: Option<usize>,
    /// Statuses that allow the request.
    pub allowed_statuses: Statuses,
    /// Headers of the response that are set on the request.
    pub allowed_upstream_headers: HeaderNames,
    /// Headers of a refusal that are relayed to the client, or `None` for all.
    pub allowed_client_headers: Option<HeaderNames>,
    /// The purpose of the rules.
    pub match_type: MatchType,
    /// Requests by host, method and path.
    pub rules: Vec<Rule>,
    /// Handling of requests without a decision of the service.
    pub no_decision: NoDecision,
    /// Status of responses other than the service's.
    pub status_on_error: StatusCode,
    /// Pass every request.
    pub dry_run: bool,
}

/// The form of requests to the service.
pub enum Target {
    /// The method of the request, and its path after this prefix.
    Envoy { prefix: String },
    /// This method and path.
    ForwardAuth { method: String, path: String },
}

/// Handling of requests without a decision of the service.
#[derive(Clone, Copy)]
pub enum NoDecision {
    /// They pass, with or without an additional header.
    Pass { add_header: bool },
    /// They are answered with `status_on_error`.
    Reply,
}

/// A rule for requests by host, method and path. Absent conditions match every request.
pub struct Rule {
    pub host: Option<HostPattern>,
    pub methods: Vec<String>,
    pub path: Option<Pattern>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let HttpService { endpoint_mode, endpoint, timeout, authorization_request, authorization_response } =
            fields.http_service;
        let request = authorization_request;
        let max_body = request.max_request_body_bytes.map_or(MAX_BODY, NonZeroU32::get);
        let max_body = request.with_request_body.then(|| usize::try_from(max_body).unwrap_or(usize::MAX));
        if max_body.is_some() && !fields.hold_headers {
            return Err(FieldError::new(
                "http_service.authorization_request.with_request_body",
                "is not supported without `hold_headers: true`: gateways such as Istio's forward the headers of a request \
                 before its body, so the upstream would receive them before the service has decided. Write false or, if \
                 the gateway holds headers, `hold_headers: true` next to `http_service`",
            ));
        }
        let headers_to_add = request.headers_to_add.into_iter().map(|(name, value)| {
            let field = format!("http_service.authorization_request.headers_to_add.{}", &*name);
            if let Some(reason) = why_not_settable(&name) {
                let service_host =
                    "is the host of the service: write `http_service.endpoint.service_host` instead";
                return Err(FieldError::new(field, if is_authority(&name) { service_host } else { reason }));
            }
            let value = HeaderValue::try_from(String::from(value))
                .map_err(|message| FieldError::new(field, message))?;
            Ok((name, value))
        });
        let headers_to_add = headers_to_add.collect::<Result<_, _>>()?;
        let response = "http_service.authorization_response";
        Ok(Config {
            target: target(endpoint_mode, &endpoint)?,
            service: service(endpoint)?,
            timeout: Duration::from_millis(timeout.get().into()),
            allowed_headers: HeaderNames::new(
                "http_service.authorization_request.allowed_headers",
                &request.allowed_headers,
            )?,
            headers_to_add,
            max_body,
            allowed_statuses: match authorization_response.allowed_statuses {
                Some(list) => Statuses::new(&format!("{response}.allowed_statuses"), list)?,
                None => Statuses::default_of(endpoint_mode),
            },
            allowed_upstream_headers: HeaderNames::new(
                &format!("{response}.allowed_upstream_headers"),
                &authorization_response.allowed_upstream_headers,
            )?,
            allowed_client_headers: authorization_response
                .allowed_client_headers
                .map(|headers| HeaderNames::new(&format!("{response}.allowed_client_headers"), &headers))
                .transpose()?,
            match_type: fields.match_type,
            rules: rules(fields.match_type, fields.match_list)?,
            no_decision: match fields.failure_mode_allow {
                true => NoDecision::Pass { add_header: fields.failure_mode_allow_header_add },
                false => NoDecision::Reply,
            },
            status_on_error: fields.status_on_error,
            dry_run: fields.dry_run,
        })
    }
}

fn service(endpoint: Endpoint) -> Result<Cluster, FieldError> {
    let cluster = Cluster::fqdn(&endpoint.service_name, endpoint.service_port.get());
    let Some(host) = endpoint.service_host else { return Ok(cluster) };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    match host.bytes().all(is_host_byte) {
        true => Ok(cluster.with_host(String::from(host))),
        false => Err(FieldError::new(
            "http_service.endpoint.service_host",
            "must be a host without spaces, scheme and path: write for example auth.example.com",
        )),
    }
}

fn target(mode: EndpointMode, endpoint: &Endpoint) -> Result<Target, FieldError> {
    let part = |name: &str, text: &Option<String>, example: &str| {
        let field = || format!("http_service.endpoint.{name}");
        let Some(text) = text else {
            return Err(FieldError::new(field(), format!("is missing: write for example {example}")));
        };
        let begins = text.is_empty() || text.starts_with('/');
        if !begins || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(FieldError::new(
                field(),
                format!(
                    "must be a path that begins with `/` and contains no spaces: write for example {example}"
                ),
            ));
        }
        Ok(text.clone())
    };
    match mode {
        EndpointMode::Envoy => {
            let prefix = part("path_prefix", &endpoint.path_prefix, "/auth")?;
            if prefix.contains(['?', '#']) {
                return Err(FieldError::new(
                    "http_service.endpoint.path_prefix",
                    "must not contain a query, because the path of the request is appended: write for example /auth",
                ));
            }
            Ok(Target::Envoy { prefix: prefix.trim_end_matches('/').into() })
        }
        EndpointMode::ForwardAuth => {
            let path = part("path", &endpoint.path, "/auth")?;
            let method = endpoint.request_method.to_ascii_uppercase();
            if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Err(FieldError::new(
                    "http_service.endpoint.request_method",
                    "must be a method: write for example GET",
                ));
            }
            Ok(Target::ForwardAuth { method, path: if path.is_empty() { "/".into() } else { path } })
        }
    }
}

fn rules(kind: MatchType, list: Vec<MatchRule>) -> Result<Vec<Rule>, FieldError> {
    if kind == MatchType::Blacklist && list.is_empty() {
        return Err(FieldError::new(
            "match_list",
            "is empty, so `blacklist` would authorize no requests: add an entry, or write `whitelist`",
        ));
    }
    let rule = |(index, rule): (usize, MatchRule)| {
        let error = |message: &str| FieldError::in_list("match_list", index, message);
        let inside =
            |field: &str, message: String| FieldError::new(format!("match_list[{index}].{field}"), message);
        let host = rule.match_rule_domain.as_deref().map(HostPattern::parse).transpose();
        let path = match (rule.match_rule_type, &rule.match_rule_path) {
            (None, None) => None,
            (Some(compared), Some(path)) => Some(
                path_pattern(kind, compared, path).map_err(|message| inside("match_rule_path", message))?,
            ),
            _ => {
                return Err(error(
                    "has only one of `match_rule_path` and `match_rule_type`: write both, or neither",
                ));
            }
        };
        if rule.match_rule_domain.is_none() && rule.match_rule_method.is_empty() && path.is_none() {
            return Err(error(
                "has no condition: write `match_rule_domain`, `match_rule_method`, or `match_rule_path` with `match_rule_type`",
            ));
        }
        let method = |(at, method): (usize, &NonEmptyString)| {
            // Methods and header names are both tokens (RFC 9110, sections 5.6.2 and 9.1).
            match HeaderName::try_from(String::from(method.clone())) {
                Ok(_) => Ok(method.to_ascii_uppercase()),
                Err(_) => Err(FieldError::in_list(
                    &format!("match_list[{index}].match_rule_method"),
                    at,
                    "is not a valid method: write one per entry, for example GET",
                )),
            }
        };
        Ok(Rule {
            host: host.map_err(|problem| inside("match_rule_domain", problem.to_string()))?,
            methods: rule.match_rule_method.iter().enumerate().map(method).collect::<Result<_, _>>()?,
            path,
        })
    };
    list.into_iter().enumerate().map(rule).collect()
}

/// Compiles the pattern of a path, unless no path can match it.
///
/// Whitelists are case-sensitive. Blacklists are not, because many servers ignore case.
fn path_pattern(kind: MatchType, compared: MatchRuleType, text: &str) -> Result<Pattern, String> {
    let begins_otherwise = match compared {
        MatchRuleType::Exact | MatchRuleType::Prefix => !text.starts_with('/') && text != "*",
        MatchRuleType::Regex => regexes::begins_otherwise(text, '/'),
        MatchRuleType::Suffix | MatchRuleType::Contains => false,
    };
    if begins_otherwise {
        let example = if compared == MatchRuleType::Regex { "^/public" } else { "/public" };
        return Err(format!(
            "never matches, because every path begins with `/`: write for example {example}"
        ));
    }
    if compared != MatchRuleType::Regex && text.contains(['?', '#']) {
        return Err(
            "never matches, because paths are compared without their query: write the part before it".into(),
        );
    }
    let is_ambiguous = match compared {
        MatchRuleType::Exact => RequestPath::new(text.as_bytes()).is_ambiguous(),
        MatchRuleType::Regex => false,
        _ => [";", "\\", "//", "/./", "/../"].iter().any(|part| text.contains(part)),
    };
    match kind {
        MatchType::Whitelist if is_ambiguous => Err("never exempts a request, because servers interpret such a path \
                                                     differently: write it without `;`, `//`, `.`, `..`, `\\` and \
                                                     unnecessary percent-encoding"
            .into()),
        MatchType::Whitelist => Pattern::new(compared, text, Case::Sensitive),
        MatchType::Blacklist => Pattern::new(compared, text, Case::Insensitive),
    }
}
