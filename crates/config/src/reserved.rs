//! Header names that are reserved for the gateway, in any case.
//!
//! Envoy stores `host` as `:authority`, frames bodies itself, and uses HTTP/1.1, HTTP/2 or HTTP/3 on either side, so a header
//! of one connection has no meaning on the other.

/// Returns true for a pseudo-header such as `:path`: a part of the request line or the status line.
pub fn is_pseudo(name: impl AsRef<[u8]>) -> bool {
    name.as_ref().first() == Some(&b':')
}

/// Returns true for `host` and `:authority`, which are the same header in a request.
pub fn is_authority(name: impl AsRef<[u8]>) -> bool {
    let name = name.as_ref();
    name.eq_ignore_ascii_case(b"host") || name.eq_ignore_ascii_case(b":authority")
}

/// Returns true for headers that frame a body: `content-length` and `transfer-encoding`.
pub fn is_framing(name: impl AsRef<[u8]>) -> bool {
    let name = name.as_ref();
    name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
}

/// Returns true for headers of one connection, which are not passed on (RFC 9110, section 7.6.1; RFC 9113, section
/// 8.2.2): `connection` and related headers.
pub fn is_hop_by_hop(name: impl AsRef<[u8]>) -> bool {
    let name = name.as_ref();
    // By length, because nearly every name has none of these, and comparing with each in turn takes 3 KB of a module.
    let names: &[&str] = match name.len() {
        2 => &["te"],
        7 => &["trailer", "upgrade"],
        10 => &["connection", "keep-alive"],
        14 => &["http2-settings"],
        16 => &["proxy-connection"],
        17 => &["transfer-encoding"],
        _ => return false,
    };
    is_one_of(name, names)
}

/// Returns the reason for which a plug-in must not set a header with this name in a request, or `None` if it may.
///
/// Framing and the headers of a connection are managed by the gateway. Envoy 1.40 accepts them from a plug-in, and then
/// sends invalid messages: with `content-length`, a request with a body gets a 503; with `transfer-encoding`, it gets no
/// response; in HTTP/2, a request with `connection` is malformed. Envoy stores `host` as `:authority` and appends to it:
/// `example.com,other.example.com`. Headers that it appends to (`x-forwarded-proto`) or reads
/// (`x-envoy-upstream-rq-timeout-ms`) may be set without breaking requests.
#[must_use]
pub fn why_not_settable(name: impl AsRef<[u8]>) -> Option<&'static str> {
    let name = name.as_ref();
    if is_pseudo(name) {
        Some("is a pseudo-header: write the name of a header")
    } else if is_one_of(name, &["host"]) {
        Some("is the host of the request, which a gateway only adds to: set it in the route instead")
    } else if is_one_of(name, &["content-length"]) || is_hop_by_hop(name) {
        Some("is of the gateway's own connection to the upstream: write another name, for example x-from")
    } else {
        None
    }
}

#[inline(never)]
fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_connection_are_known_in_any_case() {
        for name in [
            "Connection",
            "HTTP2-Settings",
            "keep-alive",
            "Proxy-Connection",
            "TE",
            "trailer",
            "Transfer-Encoding",
            "upgrade",
        ] {
            assert!(is_hop_by_hop(name), "{name}");
        }
        for name in ["", "connections", "x-upgrade", "trailers", "keep_alive", "host"] {
            assert!(!is_hop_by_hop(name), "{name}");
        }
    }
}
