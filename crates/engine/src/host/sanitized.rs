//! The headers of a request as Envoy passes them to its filters: some are joined, removed or added.

use std::net::{IpAddr, SocketAddr};

use super::maps::{Kind, Map};
use crate::exchange::{Header, Protocol, Request};

/// Headers that Envoy does not accept from clients, in addition to those of a connection.
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

/// The headers of a request, as the first filter receives them.
pub(super) fn request_map(request: &Request) -> Map {
    let mut headers = Map::of(Kind::Request);
    let method: &[u8] = match (&request.upgrade, request.protocol) {
        // An extended CONNECT is presented as the equivalent upgrade over HTTP/1.1.
        (Some(_), Protocol::Http2) => b"GET",
        _ => &request.method,
    };
    let path: &[u8] = match request.protocol {
        // In the request line, it ends before the spaces.
        Protocol::Http1 => request.path.trim_ascii_end(),
        Protocol::Http2 => &request.path,
    };
    let authority = trimmed(&request.host);
    // In the order of the client; over HTTP/1.1 in Envoy's.
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
    let mut cookie = Vec::new();
    if request.protocol == Protocol::Http2 {
        (fields, cookie) = as_http2(fields);
    }
    for (name, value) in &fields {
        headers.add(name, decoded(value, request.protocol));
    }
    if let Some((name, value)) = request.framing_header() {
        headers.add(name.as_bytes(), value.as_bytes());
    }
    if !cookie.is_empty() {
        headers.add(b"cookie", &cookie);
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
        let te = headers.get(b"te").unwrap_or_default();
        if !te.is_empty() {
            // Of the listed headers, only this one is kept, and only in lower case.
            let mut tokens = te.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            match tokens.any(|token| token == b"trailers") {
                true => headers.set(b"te", b"trailers"),
                false => headers.remove(b"te"),
            }
        }
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

/// The address that Envoy takes for the client's: the last one of `x-forwarded-for` if it is valid, which has no port.
pub(super) fn source_address(headers: &Map) -> String {
    let forwarded = headers.get(b"x-forwarded-for").unwrap_or_default();
    let last = match forwarded.iter().rposition(|byte| *byte == b',') {
        // A comma at the end separates nothing.
        Some(comma) if comma + 1 < forwarded.len() => forwarded.get(comma + 1..).unwrap_or_default(),
        _ => forwarded,
    };
    let address = std::str::from_utf8(last.trim_ascii()).ok().and_then(|last| last.parse().ok());
    address.map_or_else(|| "127.0.0.1:50000".into(), |ip: IpAddr| SocketAddr::new(ip, 0).to_string())
}

/// A value as parsed by a codec: that of HTTP/2 keeps surrounding spaces.
fn decoded(value: &[u8], protocol: Protocol) -> &[u8] {
    match protocol {
        Protocol::Http1 => trimmed(value),
        Protocol::Http2 => value,
    }
}

/// A value without surrounding spaces.
pub(super) fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// Passes fields over HTTP/1.1, where the receiver removes spaces around a value (RFC 9112, section 5).
pub(super) fn over_http1(fields: &mut [Header]) {
    for (_, value) in fields {
        if trimmed(value).len() < value.len() {
            *value = trimmed(value).into();
        }
    }
}

/// Headers with which a filter controls the router, which does not pass them on.
const CONSUMED: [&str; 9] = [
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    PER_TRY_TIMEOUT,
    TIMEOUT,
];

const TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
const PER_TRY_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// Removes the headers that the router consumes, and adds the timeout that they set, as the router does.
pub(super) fn consumed(fields: &mut Vec<Header>) {
    let milliseconds = |name: &str| {
        let (_, value) = fields.iter().find(|(other, _)| **other == *name.as_bytes())?;
        std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok()
    };
    let global = milliseconds(TIMEOUT).unwrap_or_default();
    let per_try = milliseconds(PER_TRY_TIMEOUT).filter(|per_try| global == 0 || *per_try < global);
    let expected = per_try.filter(|per_try| *per_try > 0).unwrap_or(global);
    fields.retain(|(name, _)| !CONSUMED.iter().any(|consumed| **name == *consumed.as_bytes()));
    if expected > 0 {
        let name = "x-envoy-expected-rq-timeout-ms";
        fields.retain(|(other, _)| **other != *name.as_bytes());
        fields.push((name.into(), expected.to_string().as_str().into()));
    }
}

/// Headers as an HTTP/2 client sends them, grouped by name, followed by the cookies, which Envoy joins (RFC 9113,
/// section 8.2.3).
fn as_http2(fields: Vec<Header>) -> (Vec<Header>, Vec<u8>) {
    let (cookies, others): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
    let joined = cookies.iter().fold(Vec::new(), |mut joined, (_, cookie)| {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(cookie);
        joined
    });
    (grouped(others), joined)
}

/// Fields grouped by name.
fn grouped(fields: Vec<Header>) -> Vec<Header> {
    let mut together: Vec<Header> = Vec::new();
    for (name, value) in fields {
        match together.iter().rposition(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            Some(last) => together.insert(last + 1, (name, value)),
            None => together.push((name, value)),
        }
    }
    together
}

/// The trailers of a request, as the first filter receives them.
pub(super) fn trailer_map(request: &Request) -> Map {
    let mut trailers = Map::new();
    let (fields, cookie) = match request.protocol {
        Protocol::Http1 => (request.trailers.clone(), Vec::new()),
        Protocol::Http2 => as_http2(request.trailers.clone()),
    };
    for (name, value) in &fields {
        trailers.add(name, decoded(value, request.protocol));
    }
    if !cookie.is_empty() {
        trailers.add(b"cookie", &cookie);
    }
    trailers
}

/// Whether a name is a valid header name (RFC 9110, section 5.6.2).
pub(super) fn is_token(name: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_forwarded_address_is_the_source() {
        let source = |forwarded: &[&str]| {
            let mut headers = Map::of(Kind::Request);
            forwarded.iter().for_each(|value| headers.add(b"x-forwarded-for", value.as_bytes()));
            source_address(&headers)
        };
        assert_eq!(source(&["192.0.2.1 ,\t10.0.0.1 "]), "10.0.0.1:0");
        assert_eq!(source(&["192.0.2.1", "::1"]), "[::1]:0");
        for none in
            [&[][..], &[""], &["10.0.0.1,"], &["10.0.0.1, x"], &["10.0.0.1:80"], &["010.0.0.1"], &["[::1]"]]
        {
            assert_eq!(source(none), "127.0.0.1:50000", "{none:?}");
        }
    }
}
