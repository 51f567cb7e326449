//! Decisions as pure functions over bytes.

use std::cell::LazyCell;

use config::host;
use matcher::path::RequestPath;
use sdk::names;

use crate::config::{Config, Rule, Target};
use crate::fields::MatchType;
use crate::pattern::is_copied;
use crate::statuses::Statuses;

/// A name and a value.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// The parts of a request that rules compare.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// Path and query as sent by the client.
    pub path: &'a [u8],
    pub authority: &'a [u8],
    pub scheme: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads the pseudo-headers.
    pub fn new(headers: impl Iterator<Item = Header<'a>>) -> Self {
        let mut request = Request::default();
        for (name, value) in headers {
            match name {
                b":method" => request.method = value,
                b":path" => request.path = value,
                b":authority" => request.authority = value,
                b":scheme" => request.scheme = value,
                _ => {}
            }
        }
        request
    }
}

/// Returns true if a request with these headers must be authorized.
///
/// Ambiguous parts never exempt a request and never prevent the authorization of a listed one: ambiguous paths (see
/// [`matcher::path`]) and hosts, and methods that servers may change because of their case or a header.
pub fn needs_authorization<'a, H: Iterator<Item = Header<'a>>>(
    config: &Config,
    request: &Request<'_>,
    headers: impl Fn() -> H,
) -> bool {
    let exempts = config.match_type == MatchType::Whitelist;
    if config.rules.is_empty() {
        return exempts;
    }
    let host = LazyCell::new(|| host::normalise(request.authority));
    let host_is_ambiguous = LazyCell::new(|| host::is_ambiguous(request.authority));
    let path = LazyCell::new(|| RequestPath::new(request.path));
    let is_overridden = LazyCell::new(|| headers().any(|header| overrides_method(request.method, header)));
    let host_matches = |rule: &Rule| match &rule.host {
        None => true,
        Some(pattern) if pattern.is_any() => true,
        Some(_) if *host_is_ambiguous => !exempts,
        Some(pattern) => pattern.matches(&host),
    };
    let method_matches = |rule: &Rule| match exempts {
        _ if rule.methods.is_empty() => true,
        true => rule.methods.iter().any(|method| method.as_bytes() == request.method) && !*is_overridden,
        false => {
            rule.methods.iter().any(|method| is_served_as(method.as_bytes(), request.method))
                || *is_overridden
        }
    };
    let path_matches = |rule: &Rule| match &rule.path {
        None => true,
        Some(pattern) if exempts => path.certainly_meets(|path| pattern.matches(path)),
        Some(pattern) => path.possibly_meets(|path| pattern.matches(path)),
    };
    let is_listed =
        config.rules.iter().any(|rule| host_matches(rule) && method_matches(rule) && path_matches(rule));
    is_listed != exempts
}

/// Returns true if a server may handle a `requested` method as `method`: some ignore case, and nearly all handle `HEAD`
/// like `GET`.
fn is_served_as(method: &[u8], requested: &[u8]) -> bool {
    requested.eq_ignore_ascii_case(method) || (method == b"GET" && requested.eq_ignore_ascii_case(b"HEAD"))
}

/// Returns true for a header that makes frameworks use a different method.
fn overrides_method(method: &[u8], (name, value): Header<'_>) -> bool {
    const NAMES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
    NAMES.iter().any(|known| names::may_be_read_as(name, known)) && value != method
}

/// A request to the service.
pub struct AuthRequest {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Tells a service that receives bodies whether the body of this request is missing.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// Builds the request to the service. `is_partial` is true if the request has a body that is not sent.
pub fn auth_request<'a>(
    config: &Config,
    request: &Request<'_>,
    headers: impl Iterator<Item = Header<'a>>,
    is_partial: bool,
) -> AuthRequest {
    let sends_bodies = config.max_body.is_some();
    let is_sent = |name: &[u8]| match name {
        b"authorization" => true,
        // Required to interpret the body.
        b"content-type" | b"content-encoding" if sends_bodies => true,
        _ => config.allowed_headers.matches(name),
    };
    let mut out: Vec<(String, Vec<u8>)> = headers
        .filter(|(name, _)| is_sent(name))
        // The gateway rejects other names.
        .filter_map(|(name, value)| Some((String::from_utf8(name.to_vec()).ok()?, value.to_vec())))
        .collect();
    let mut set = |name: &str, value: &[u8]| {
        out.retain(|(other, _)| other != name);
        out.push((name.into(), value.to_vec()));
    };
    for (name, value) in &config.headers_to_add {
        set(name, value.as_ref());
    }
    if sends_bodies {
        set(PARTIAL_BODY, if is_partial { b"true" } else { b"false" });
    }
    let (method, path) = match &config.target {
        Target::Envoy { prefix } => {
            // Every path begins with a slash, except `*` and that of `CONNECT`.
            let slash: &[u8] = if request.path.starts_with(b"/") { b"" } else { b"/" };
            (request.method.to_vec(), [prefix.as_bytes(), slash, request.path].concat())
        }
        Target::ForwardAuth { method, path } => {
            for (name, value) in [
                ("x-forwarded-proto", request.scheme),
                ("x-forwarded-method", request.method),
                ("x-forwarded-host", request.authority),
                ("x-forwarded-uri", request.path),
                // The older names.
                ("x-original-method", request.method),
                ("x-original-uri", request.path),
            ] {
                set(name, value);
            }
            (method.clone().into_bytes(), path.clone().into_bytes())
        }
    };
    AuthRequest { method, path, headers: out }
}

/// Returns true if the declared length of a body exceeds `max`.
pub fn declares_more<'a>(max: usize, mut lengths: impl Iterator<Item = &'a [u8]>) -> bool {
    lengths.any(|length| {
        let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        // A number that overflows exceeds the limit as well.
        digits
            && std::str::from_utf8(length)
                .is_ok_and(|length| length.parse().map_or(true, |size: usize| size > max))
    })
}

/// The decision of the service.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request passes.
    Allowed,
    /// The client receives this status, and the body and headers of the response.
    Refused(u16),
    /// A 2xx that does not allow the request. It is not relayed, because it would look like success.
    RefusedAsSuccess,
    /// No decision.
    None,
}

/// Returns the decision for the status of a response.
pub fn verdict(allowed: &Statuses, status: u16) -> Verdict {
    match status {
        status if allowed.allow(status) => Verdict::Allowed,
        200..=299 => Verdict::RefusedAsSuccess,
        300..=499 => Verdict::Refused(status),
        _ => Verdict::None,
    }
}

/// Returns true if this header of a refusal is relayed to the client.
pub fn is_relayed(config: &Config, name: &[u8]) -> bool {
    config.allowed_client_headers.as_ref().map_or_else(|| is_copied(name), |names| names.matches(name))
}

/// The header of requests that passed without a decision.
pub const FAILURE_ALLOWED: &str = "x-envoy-auth-failure-mode-allowed";

/// Returns true if only the service may set a header, or if an upstream may take it for such a header. The client's copies are
/// removed.
pub fn is_service_header(config: &Config, name: &[u8]) -> bool {
    names::may_be_read_as(name, FAILURE_ALLOWED) || config.allowed_upstream_headers.may_be_read(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::EndpointMode;

    #[test]
    fn a_status_allows_or_refuses_or_is_no_decision() {
        let (envoy, forward_auth) =
            (Statuses::default_of(EndpointMode::Envoy), Statuses::default_of(EndpointMode::ForwardAuth));
        assert_eq!(verdict(&envoy, 200), Verdict::Allowed);
        for status in [201, 204, 299] {
            assert_eq!(verdict(&envoy, status), Verdict::RefusedAsSuccess);
            assert_eq!(verdict(&forward_auth, status), Verdict::Allowed);
        }
        for status in [302, 401, 403, 499] {
            assert_eq!(verdict(&envoy, status), Verdict::Refused(status));
        }
        for status in [0, 100, 199, 500, 503, 599, 999] {
            assert_eq!(verdict(&forward_auth, status), Verdict::None);
        }
    }

    #[test]
    fn methods_are_compared_as_servers_may_handle_them() {
        for (method, requested) in [("GET", "GET"), ("GET", "HEAD"), ("GET", "get"), ("DELETE", "Delete")] {
            assert!(is_served_as(method.as_bytes(), requested.as_bytes()), "{method} {requested}");
        }
        assert!(!is_served_as(b"HEAD", b"GET"));
        assert!(!is_served_as(b"POST", b"HEAD"));
        assert!(overrides_method(b"POST", (b"x-http-method-override", b"DELETE")));
        assert!(overrides_method(b"POST", (b"x_http_method-override", b"DELETE")));
        assert!(!overrides_method(b"POST", (b"x-http-method-override", b"POST")));
        assert!(!overrides_method(b"POST", (b"x-method", b"DELETE")));
    }

    #[test]
    fn declared_lengths_are_compared_with_the_limit() {
        let more = |length: &str| declares_more(10, [length.as_bytes()].into_iter());
        assert!(more("11") && more("99999999999999999999999999") && more("0011"));
        for length in ["", "0", "10", "010", "-11", "+11", "11 ", "x"] {
            assert!(!more(length), "{length}");
        }
        assert!(declares_more(10, [b"1".as_slice(), b"11"].into_iter()));
    }
}
