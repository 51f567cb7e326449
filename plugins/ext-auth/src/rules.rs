//! The decisions: pure functions over bytes.

use std::cell::LazyCell;

use config::host;
use matcher::path::RequestPath;

use crate::config::{Config, Rule, Target};
use crate::fields::MatchType;
use crate::pattern::is_copied;
use crate::statuses::Statuses;

/// A name and a value.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// What is known of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// With the query, as it came.
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

/// Returns true if the service is asked about a request, whose headers are `headers`.
///
/// What servers may read in several ways never excuses a request, and never keeps a listed one from being asked about:
/// ambiguous paths (see [`matcher::path`]) and hosts, and methods that their case or a header turns into others.
pub fn is_asked<'a, H: Iterator<Item = Header<'a>>>(
    config: &Config,
    request: &Request<'_>,
    headers: impl Fn() -> H,
) -> bool {
    let excuses = config.match_type == MatchType::Whitelist;
    if config.rules.is_empty() {
        return excuses;
    }
    let host = LazyCell::new(|| host::normalise(request.authority));
    let host_is_ambiguous = LazyCell::new(|| host::is_ambiguous(request.authority));
    let path = LazyCell::new(|| RequestPath::new(request.path));
    let is_overridden = LazyCell::new(|| headers().any(|header| overrides_method(request.method, header)));
    let host_meets = |rule: &Rule| match &rule.host {
        None => true,
        Some(pattern) if pattern.is_any() => true,
        Some(_) if *host_is_ambiguous => !excuses,
        Some(pattern) => pattern.matches(&host),
    };
    let method_meets = |rule: &Rule| match excuses {
        _ if rule.methods.is_empty() => true,
        true => rule.methods.iter().any(|method| method.as_bytes() == request.method) && !*is_overridden,
        false => {
            rule.methods.iter().any(|method| is_served_as(method.as_bytes(), request.method))
                || *is_overridden
        }
    };
    let path_meets = |rule: &Rule| match &rule.path {
        None => true,
        Some(pattern) if excuses => path.certainly_meets(|path| pattern.matches(path)),
        Some(pattern) => path.possibly_meets(|path| pattern.matches(path)),
    };
    let is_listed =
        config.rules.iter().any(|rule| host_meets(rule) && method_meets(rule) && path_meets(rule));
    is_listed != excuses
}

/// Returns true if a server may run what it has for `method`: some ignore case, and nearly all answer a `HEAD` with
/// what they have for `GET`.
fn is_served_as(method: &[u8], requested: &[u8]) -> bool {
    requested.eq_ignore_ascii_case(method) || (method == b"GET" && requested.eq_ignore_ascii_case(b"HEAD"))
}

/// Returns true for a header by which frameworks take another method than the request's own.
fn overrides_method(method: &[u8], (name, value): Header<'_>) -> bool {
    const NAMES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];
    NAMES.contains(&name) && value != method
}

/// What goes to the service.
pub struct Question {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Tells the service, where it gets bodies, of a request whose body it does not get.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// Puts a request to the service. With `streams`, it has a body that does not go along.
pub fn question<'a>(
    config: &Config,
    request: &Request<'_>,
    headers: impl Iterator<Item = Header<'a>>,
    streams: bool,
) -> Question {
    let sends_bodies = config.max_body.is_some();
    let goes_along = |name: &[u8]| match name {
        b"authorization" => true,
        // A body cannot be read without them.
        b"content-type" | b"content-encoding" if sends_bodies => true,
        _ => config.allowed_headers.matches(name),
    };
    let mut out: Vec<(String, Vec<u8>)> = headers
        .filter(|(name, _)| goes_along(name))
        // The gateway takes no other names.
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
        set(PARTIAL_BODY, if streams { b"true" } else { b"false" });
    }
    let (method, path) = match &config.target {
        Target::Envoy { prefix } => {
            // Every path begins with a slash, but `*` and that of `CONNECT`.
            let slash: &[u8] = if request.path.starts_with(b"/") { b"" } else { b"/" };
            (request.method.to_vec(), [prefix.as_bytes(), slash, request.path].concat())
        }
        Target::ForwardAuth { method, path } => {
            for (name, value) in [
                ("x-forwarded-proto", request.scheme),
                ("x-forwarded-method", request.method),
                ("x-forwarded-host", request.authority),
                ("x-forwarded-uri", request.path),
                // The older names of the same.
                ("x-original-method", request.method),
                ("x-original-uri", request.path),
            ] {
                set(name, value);
            }
            (method.clone().into_bytes(), path.clone().into_bytes())
        }
    };
    Question { method, path, headers: out }
}

/// Returns true if a request says that its body has more bytes than `max`.
pub fn declares_more<'a>(max: usize, mut lengths: impl Iterator<Item = &'a [u8]>) -> bool {
    lengths.any(|length| {
        let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        // More digits than a number has room for are more bytes, too.
        digits
            && std::str::from_utf8(length)
                .is_ok_and(|length| length.parse().map_or(true, |size: usize| size > max))
    })
}

/// What the service says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request passes.
    Allowed,
    /// The client gets this status, and the answer's body and headers.
    Refused(u16),
    /// A 2xx that does not let the request through. The client must not take it for success.
    RefusedAsSuccess,
    /// Nothing that could be relied on.
    None,
}

/// Reads the status of an answer.
pub fn verdict(allowed: &Statuses, status: u16) -> Verdict {
    match status {
        status if allowed.allow(status) => Verdict::Allowed,
        200..=299 => Verdict::RefusedAsSuccess,
        300..=499 => Verdict::Refused(status),
        _ => Verdict::None,
    }
}

/// Whether the client gets this header of a refusal.
pub fn is_relayed(config: &Config, name: &[u8]) -> bool {
    config.allowed_client_headers.as_ref().map_or_else(|| is_copied(name), |names| names.matches(name))
}

/// The header that tells of a request that passed without a verdict.
pub const FAILURE_ALLOWED: &str = "x-envoy-auth-failure-mode-allowed";

/// Whether a header can only come from the service: a client's own copy never reaches the upstream.
pub fn is_services_own(config: &Config, name: &[u8]) -> bool {
    name == FAILURE_ALLOWED.as_bytes() || config.allowed_upstream_headers.matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::EndpointMode;

    #[test]
    fn a_status_allows_refuses_or_decides_nothing() {
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
    fn servers_serve_methods_in_any_case_and_head_as_get() {
        for (method, requested) in [("GET", "GET"), ("GET", "HEAD"), ("GET", "get"), ("DELETE", "Delete")] {
            assert!(is_served_as(method.as_bytes(), requested.as_bytes()), "{method} {requested}");
        }
        assert!(!is_served_as(b"HEAD", b"GET"));
        assert!(!is_served_as(b"POST", b"HEAD"));
        assert!(overrides_method(b"POST", (b"x-http-method-override", b"DELETE")));
        assert!(!overrides_method(b"POST", (b"x-http-method-override", b"POST")));
        assert!(!overrides_method(b"POST", (b"x-method", b"DELETE")));
    }

    #[test]
    fn a_length_is_more_than_the_limit_or_not() {
        let more = |length: &str| declares_more(10, [length.as_bytes()].into_iter());
        assert!(more("11") && more("99999999999999999999999999") && more("0011"));
        for length in ["", "0", "10", "010", "-11", "+11", "11 ", "x"] {
            assert!(!more(length), "{length}");
        }
        assert!(declares_more(10, [b"1".as_slice(), b"11"].into_iter()));
    }
}
