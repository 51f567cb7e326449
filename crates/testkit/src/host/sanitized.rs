//! The headers of a request as Envoy shows them to its filters: some are joined, some removed, some its own.

use super::maps::{Kind, Map};
use crate::case::{Header, Protocol, Request};

/// What a client cannot tell Envoy, besides what belongs to a connection.
const REMOVED: [&str; 19] = [
    "keep-alive",
    "proxy-connection",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-forwarded-client-cert",
];

/// The headers of a request, as the first filter gets them.
pub(super) fn request_map(request: &Request) -> Map {
    let mut headers = Map::of(Kind::Request);
    let method: &[u8] = match (&request.upgrade, request.protocol) {
        // An extended CONNECT is shown as the upgrade that it would be over HTTP/1.1.
        (Some(_), Protocol::Http2) => b"GET",
        _ => &request.method,
    };
    let (authority, path): (&[u8], &[u8]) = (&request.host, &request.path);
    // In the order in which the client sends them; over HTTP/1.1 Envoy's own.
    let pseudo: [(&[u8], &[u8]); 4] = match request.protocol {
        Protocol::Http1 => {
            [(b":authority", authority), (b":path", path), (b":method", method), (b":scheme", b"http")]
        }
        Protocol::Http2 => {
            [(b":method", method), (b":scheme", b"http"), (b":authority", authority), (b":path", path)]
        }
    };
    pseudo.iter().for_each(|(name, value)| headers.add(name, value));
    let mut fields = request.headers.clone();
    fields.extend(request.upgrade_headers());
    if request.protocol == Protocol::Http2 {
        fields = as_http2(fields);
    }
    headers.extend(&fields);
    if let Some((name, value)) = request.framing_header() {
        headers.add(name.as_bytes(), value.as_bytes());
    }
    if let (Some(to), Protocol::Http2) = (&request.upgrade, request.protocol) {
        headers.add(b"upgrade", to.as_bytes());
        headers.add(b"connection", b"upgrade");
    }
    REMOVED.iter().for_each(|name| headers.remove(name.as_bytes()));
    if request.is_upgrade() {
        headers.remove(b"transfer-encoding");
    } else {
        headers.remove(b"connection");
        headers.remove(b"upgrade");
    }
    if headers.get(b"te").is_some_and(|te| !te.eq_ignore_ascii_case(b"trailers")) {
        headers.remove(b"te");
    }
    for (name, value) in
        [("x-forwarded-proto", "http"), ("x-request-id", "00000000-0000-4000-8000-000000000000")]
    {
        if headers.get(name.as_bytes()).is_none() {
            headers.add(name.as_bytes(), value.as_bytes());
        }
    }
    headers
}

/// Headers as an HTTP/2 client sends them, those of one name together, and Envoy joins cookies (RFC 9113, section
/// 8.2.3).
fn as_http2(fields: Vec<Header>) -> Vec<Header> {
    let mut together: Vec<Header> = Vec::new();
    for (name, value) in fields {
        let last = together.iter().rposition(|(other, _)| other.eq_ignore_ascii_case(&name));
        match last {
            Some(last) if name.eq_ignore_ascii_case(b"cookie") => {
                if let Some((_, cookie)) = together.get_mut(last) {
                    *cookie = [&**cookie, b"; ", &value].concat().into();
                }
            }
            Some(last) => together.insert(last + 1, (name, value)),
            None => together.push((name, value)),
        }
    }
    together
}

/// Whether a name can be a header's (RFC 9110, section 5.6.2).
pub(super) fn is_token(name: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token)
}
