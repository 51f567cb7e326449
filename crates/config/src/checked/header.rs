//! Names and values of headers: any header, headers that a plug-in may set, and headers that it can read from requests.

use std::ops::Deref;

use serde::Deserialize;

use crate::reserved::why_not_settable;

/// The name of a header: a token (RFC 9110, section 5.1), in lower case like in gateways. Pseudo-headers such as `:path` are
/// not valid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderName(pub(super) String);

impl TryFrom<String> for HeaderName {
    type Error = &'static str;

    fn try_from(mut name: String) -> Result<Self, &'static str> {
        if name.is_empty() {
            return Err("must not be empty: write the name of a header, for example x-from");
        }
        if !name.bytes().all(is_token) {
            return Err("is not the name of a header: write letters, digits and dashes, for example x-from");
        }
        name.make_ascii_lowercase();
        Ok(HeaderName(name))
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The name of a header that a plug-in may set. Headers that the gateway manages itself are not valid
/// ([`why_not_settable`](crate::reserved::why_not_settable)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct SettableHeaderName(pub(super) HeaderName);

impl TryFrom<String> for SettableHeaderName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, &'static str> {
        let name = HeaderName::try_from(name)?;
        why_not_settable(&name).map_or(Ok(SettableHeaderName(name)), Err)
    }
}

/// The name of a header that a plug-in reads from requests: a header, or one of the pseudo-headers `:authority`, `:path`,
/// `:method` and `:scheme`.
///
/// `host` becomes `:authority`, like in gateways. Headers that gateways remove before a plug-in sees the request are not
/// valid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct RequestHeaderName(pub(super) String);

impl RequestHeaderName {
    /// `:authority`, the host of a request.
    pub const AUTHORITY: &str = ":authority";
    /// `:path`, with its query.
    pub const PATH: &str = ":path";
    /// `:method`.
    pub const METHOD: &str = ":method";
}

impl TryFrom<String> for RequestHeaderName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, &'static str> {
        if name.starts_with(':') {
            return match name.as_str() {
                Self::AUTHORITY | Self::PATH | Self::METHOD | ":scheme" => Ok(RequestHeaderName(name)),
                _ => Err(
                    "is not a pseudo-header of requests: write `:authority`, `:path`, `:method` or `:scheme`",
                ),
            };
        }
        let HeaderName(name) = HeaderName::try_from(name)?;
        match name.as_str() {
            "host" => Ok(RequestHeaderName(Self::AUTHORITY.into())),
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => Err(
                "is removed by the gateway before a plug-in sees the request: write the name of another header",
            ),
            _ => Ok(RequestHeaderName(name)),
        }
    }
}

/// The value of a header: no control characters but tabs (RFC 9110, section 5.5), so that it cannot end the header and the
/// gateway accepts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderValue(pub(super) String);

impl TryFrom<String> for HeaderValue {
    type Error = &'static str;

    fn try_from(value: String) -> Result<Self, &'static str> {
        if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err("must not contain control characters such as line breaks: write it in one line");
        }
        Ok(HeaderValue(value))
    }
}

macro_rules! text {
    ($($type:ident),*) => {$(
        impl Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
    )*};
}

text!(HeaderName, SettableHeaderName, RequestHeaderName, HeaderValue);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_the_gateway_manages_cannot_be_set() {
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "trailer",
            "TE",
            "connection",
            "Keep-Alive",
            "proxy-connection",
            "upgrade",
            "HTTP2-Settings",
        ] {
            let refused = SettableHeaderName::try_from(name.to_owned()).unwrap_err();
            assert!(
                refused.contains(": write another name") || refused.contains(": set it in the route"),
                "{name}: {refused}"
            );
        }
        for name in [":authority", ":path", "x from", "x-from:", "", "x-\u{e4}", "x\r\ny"] {
            assert!(SettableHeaderName::try_from(name.to_owned()).is_err(), "{name:?}");
        }
        assert!(why_not_settable(":authority").is_some());
        for name in
            ["X-From", "cookie", "x-forwarded-for", "x-envoy-retry-on", "authority", "x_from", "x-host"]
        {
            let name = SettableHeaderName::try_from(name.to_owned()).unwrap();
            assert_eq!(why_not_settable(&name), None);
        }
    }

    #[test]
    fn request_headers_have_the_names_of_the_gateway() {
        for (name, stored) in [
            ("Host", ":authority"),
            (":authority", ":authority"),
            (":path", ":path"),
            (":method", ":method"),
            (":scheme", ":scheme"),
            ("X-Api-Key", "x-api-key"),
            ("te", "te"),
        ] {
            assert_eq!(&*RequestHeaderName::try_from(name.to_owned()).unwrap(), stored);
        }
        for name in ["", ":status", ":Path", ":", "x y", "Connection", "transfer-encoding", "upgrade"] {
            let refused = RequestHeaderName::try_from(name.to_owned()).unwrap_err();
            assert!(refused.contains("write"), "{name:?}: {refused}");
        }
    }
}
