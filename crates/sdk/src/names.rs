//! Header names that are reserved for the gateway.
//!
//! Envoy stores `host` as `:authority`, frames bodies itself, and uses HTTP/1.1, HTTP/2 or HTTP/3 on either side, so a
//! header of one connection has no meaning on the other. A plug-in with configurable header names should check them when
//! its configuration is loaded:
//!
//! ```
//! use sdk::names;
//!
//! assert!(names::check_request("x-from").is_ok());
//! assert!(names::check_request("Host").is_err(), "Envoy would add the value to `:authority`");
//! assert!(names::check_response("host").is_ok(), "it has no special meaning in a response");
//! assert!(names::check_response("Content-Length").is_err());
//! ```

use config::reserved::why_not_settable;
pub use config::reserved::{is_authority, is_framing, is_hop_by_hop, is_pseudo};

/// Checks that a plug-in may add, set or remove a header with this name in a request.
///
/// # Errors
///
/// The reason, to be written after the name: `Host: is the host of …`.
pub fn check_request(name: impl AsRef<[u8]>) -> Result<(), &'static str> {
    why_not_settable(name).map_or(Ok(()), Err)
}

/// Checks the same for a response, in which `host` is an ordinary header.
///
/// # Errors
///
/// The reason, to be written after the name.
pub fn check_response(name: impl AsRef<[u8]>) -> Result<(), &'static str> {
    let name = name.as_ref();
    if name.eq_ignore_ascii_case(b"host") { Ok(()) } else { check_request(name) }
}

/// Returns true if an upstream may read a header with this name as `known`: many map `-`, `_` and other punctuation to one
/// character, as CGI does (RFC 3875, section 4.1.18).
#[inline]
pub fn may_be_read_as(name: &[u8], known: &str) -> bool {
    let folds = |(other, own): (&u8, u8)| match own.is_ascii_alphanumeric() {
        true => other.eq_ignore_ascii_case(&own),
        false => !other.is_ascii_alphanumeric(),
    };
    name.len() == known.len() && name.iter().zip(known.bytes()).all(folds)
}

/// Returns the other name of a request header, if it has two.
pub(crate) fn alias(name: &[u8]) -> Option<&'static [u8]> {
    if !is_authority(name) {
        return None;
    }
    Some(if is_pseudo(name) { b"host" } else { b":authority" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_case_of_a_name_may_not_matter_to_an_upstream() {
        for name in ["x-a-b", "X-A-B", "x_a_b", "x.a-b", "X~A_B"] {
            for known in ["x-a-b", "x_a_b", "X-A_B"] {
                assert!(may_be_read_as(name.as_bytes(), known), "{name} {known}");
            }
        }
        for name in ["x-a-bc", "x-a-", "xaa-b", "x-b-b", "x-a0b", ""] {
            assert!(!may_be_read_as(name.as_bytes(), "x-a-b"), "{name}");
        }
    }

    #[test]
    fn headers_that_the_gateway_manages_are_rejected_in_any_case() {
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
