//! Header names that mean something to a gateway, in any case, and why a plug-in leaves them alone.
//!
//! Envoy keeps `host` as `:authority`, frames bodies itself, and speaks HTTP/1.1, HTTP/2 and HTTP/3 on either side, so
//! that a header of one connection has no meaning on the other.

/// Returns true for a pseudo-header such as `:path`: a part of the request line or the status line.
pub fn is_pseudo(name: impl AsRef<[u8]>) -> bool {
    name.as_ref().first() == Some(&b':')
}

/// Returns true for `host` and `:authority`, which are one and the same in the headers of a request.
pub fn is_authority(name: impl AsRef<[u8]>) -> bool {
    is_one_of(name.as_ref(), &["host", ":authority"])
}

/// Returns true for headers that say where a body ends: `content-length` and `transfer-encoding`.
pub fn is_framing(name: impl AsRef<[u8]>) -> bool {
    is_one_of(name.as_ref(), &["content-length", "transfer-encoding"])
}

/// Returns true for headers of one connection, which are not passed on (RFC 9110, section 7.6.1; RFC 9113, section
/// 8.2.2): `connection` and those that go with it.
pub fn is_hop_by_hop(name: impl AsRef<[u8]>) -> bool {
    const NAMES: [&str; 8] = [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    is_one_of(name.as_ref(), &NAMES)
}

/// Why a plug-in must not set a header of this name in a request; nothing when it may.
///
/// The framing of a message and what belongs to one connection are the gateway's own. Envoy 1.40 takes them from a
/// plug-in all the same and sends what no upstream can read: with `content-length` a request with a body is answered
/// 503, with `transfer-encoding` there is no answer at all; in HTTP/2 a request with `connection` is malformed. It
/// stores `host` as `:authority` and adds to that: `example.com,other.example.com`. Headers that it adds to
/// (`x-forwarded-proto`) or reads itself (`x-envoy-upstream-rq-timeout-ms`) may be set: no request breaks.
#[must_use]
pub fn why_not_settable(name: impl AsRef<[u8]>) -> Option<&'static str> {
    let name = name.as_ref();
    if is_pseudo(name) {
        Some("is a pseudo-header: write the name of a header")
    } else if is_authority(name) {
        Some("is the host of the request, which a gateway only adds to: set it in the route instead")
    } else if is_framing(name) || is_hop_by_hop(name) {
        Some("is of the gateway's own connection to the upstream: write another name, for example x-from")
    } else {
        None
    }
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}
