//! Header names that mean something to a gateway, and the reasons why a plug-in leaves them alone.
//!
//! Envoy keeps `host` as `:authority`, frames bodies itself, and speaks HTTP/1.1, HTTP/2 and HTTP/3 on either side, so
//! that a header of one connection has no meaning on the other. A plug-in whose operators choose the names of headers
//! checks them when its configuration loads:
//!
//! ```
//! use sdk::names;
//!
//! assert!(names::check_request("x-from").is_ok());
//! assert!(names::check_request("Host").is_err(), "Envoy would add the value to `:authority`");
//! assert!(names::check_response("host").is_ok(), "it has no meaning in a response");
//! assert!(names::check_response("Content-Length").is_err());
//! ```

/// Returns true for a pseudo-header such as `:path`: a part of the request line or the status line.
pub fn is_pseudo(name: impl AsRef<[u8]>) -> bool {
    name.as_ref().first() == Some(&b':')
}

/// Returns true for `host` and `:authority`, which are one and the same in the headers of a request.
pub fn is_authority(name: impl AsRef<[u8]>) -> bool {
    let name = name.as_ref();
    name.eq_ignore_ascii_case(b"host") || name.eq_ignore_ascii_case(b":authority")
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

/// Checks that a plug-in may add, set or remove a header of this name in a request, whatever its operator writes.
///
/// # Errors
///
/// The reason why not, to follow the name: `Host: is kept as …`.
pub fn check_request(name: impl AsRef<[u8]>) -> Result<(), &'static str> {
    let name = name.as_ref();
    if is_authority(name) {
        return Err(
            "is kept as `:authority` by the gateway, which would add a value to the one that is there: \
                    rewrite the host in the route",
        );
    }
    check(name)
}

/// Checks the same for a response.
///
/// # Errors
///
/// The reason why not, to follow the name.
pub fn check_response(name: impl AsRef<[u8]>) -> Result<(), &'static str> {
    check(name.as_ref())
}

fn check(name: &[u8]) -> Result<(), &'static str> {
    if is_pseudo(name) {
        Err("is a pseudo-header, a part of the request or status line: write the name of a header")
    } else if is_framing(name) {
        Err(
            "says where the body ends, which the gateway decides: a message with another value is cut off or never \
             ends. Remove it",
        )
    } else if is_hop_by_hop(name) {
        Err("belongs to one connection, and the gateway writes its own for the next: remove it")
    } else {
        Ok(())
    }
}

/// The other name by which a header of a request goes, if it has one.
pub(crate) fn alias(name: &[u8]) -> Option<&'static [u8]> {
    if !is_authority(name) {
        return None;
    }
    Some(if is_pseudo(name) { b"host" } else { b":authority" })
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_writes_itself_is_refused_in_any_case() {
        for name in [
            "Content-Length",
            "TRANSFER-ENCODING",
            "Connection",
            "upgrade",
            "Keep-Alive",
            "te",
            ":path",
            ":x",
            ":",
        ] {
            assert!(check_request(name).is_err(), "{name}");
            assert!(check_response(name).is_err(), "{name}");
        }
        for name in ["x-host", "hosts", "content-type", "forwarded", "x-upgrade", "trailers", ""] {
            assert!(check_request(name).is_ok(), "{name}");
            assert!(check_response(name).is_ok(), "{name}");
        }
        for name in ["host", "HOST", ":authority", ":Authority"] {
            assert!(check_request(name).is_err(), "{name}");
        }
        assert!(check_response("Host").is_ok());
    }
}
