//! Types that accept only valid values: non-empty strings, texts, secrets, statuses, headers and services.

mod header;
mod json;
#[cfg(all(feature = "schema", not(target_family = "wasm")))]
mod schema;
mod service;

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

pub use header::{HeaderName, HeaderValue, RequestHeaderName, SettableHeaderName};
pub use json::Json;
pub use service::ServiceName;

/// A string with at least one character. An empty pattern would match everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct NonEmptyString(String);

impl NonEmptyString {
    /// The error for an empty string.
    pub(crate) const EMPTY: &str = "must not be empty: write at least one character, or remove the entry";
}

impl TryFrom<String> for NonEmptyString {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err(Self::EMPTY);
        }
        Ok(NonEmptyString(text))
    }
}

impl From<NonEmptyString> for String {
    fn from(text: NonEmptyString) -> String {
        text.0
    }
}

impl Deref for NonEmptyString {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for NonEmptyString {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The end of a path without its query, such as `/completions`; `*` is every path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct PathSuffix(String);

impl TryFrom<String> for PathSuffix {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "" => Err(NonEmptyString::EMPTY),
            "*" => Ok(PathSuffix(text)),
            _ if text.contains("://") => {
                Err("is a URL, which no path ends with: write the end of the path, such as `/completions`")
            }
            _ if text.contains(['?', '#']) => {
                Err("has a query, which is not compared: write the end of the path, such as `/completions`")
            }
            _ if text.contains('*') => Err(
                "has a `*`, which stands for every path only by itself: write the end of the path, such as `/completions`",
            ),
            _ if text.contains(|character: char| character.is_whitespace() || character.is_control()) => {
                Err("has a space, which no path has: write the end of the path, such as `/completions`")
            }
            _ => Ok(PathSuffix(text)),
        }
    }
}

impl From<PathSuffix> for String {
    fn from(suffix: PathSuffix) -> String {
        suffix.0
    }
}

impl AsRef<str> for PathSuffix {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A text. Numbers, `true` and `false` do not need quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

/// A [`Text`] that tools do not show, such as a password. Its schema has `writeOnly: true` and `format: password`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct Secret(Text);

impl From<Secret> for String {
    fn from(secret: Secret) -> String {
        secret.0.into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The status of a response, 200 to 599 (RFC 9110, section 15). With another status, a gateway sends no response at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "u32")]
pub struct StatusCode(u16);

impl StatusCode {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Names for statuses, as the registry of HTTP status codes has them.
macro_rules! statuses {
    ($($name:ident = $code:literal,)*) => {
        impl StatusCode {
            $(
                #[doc = stringify!($code)]
                pub const $name: StatusCode = StatusCode($code);
            )*
        }
    };
}

statuses! {
    OK = 200,
    CREATED = 201,
    ACCEPTED = 202,
    NON_AUTHORITATIVE_INFORMATION = 203,
    NO_CONTENT = 204,
    RESET_CONTENT = 205,
    PARTIAL_CONTENT = 206,
    MULTI_STATUS = 207,
    ALREADY_REPORTED = 208,
    IM_USED = 226,
    MULTIPLE_CHOICES = 300,
    MOVED_PERMANENTLY = 301,
    FOUND = 302,
    SEE_OTHER = 303,
    NOT_MODIFIED = 304,
    USE_PROXY = 305,
    TEMPORARY_REDIRECT = 307,
    PERMANENT_REDIRECT = 308,
    BAD_REQUEST = 400,
    UNAUTHORIZED = 401,
    PAYMENT_REQUIRED = 402,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    METHOD_NOT_ALLOWED = 405,
    NOT_ACCEPTABLE = 406,
    PROXY_AUTHENTICATION_REQUIRED = 407,
    REQUEST_TIMEOUT = 408,
    CONFLICT = 409,
    GONE = 410,
    LENGTH_REQUIRED = 411,
    PRECONDITION_FAILED = 412,
    PAYLOAD_TOO_LARGE = 413,
    URI_TOO_LONG = 414,
    UNSUPPORTED_MEDIA_TYPE = 415,
    RANGE_NOT_SATISFIABLE = 416,
    EXPECTATION_FAILED = 417,
    IM_A_TEAPOT = 418,
    MISDIRECTED_REQUEST = 421,
    UNPROCESSABLE_ENTITY = 422,
    LOCKED = 423,
    FAILED_DEPENDENCY = 424,
    TOO_EARLY = 425,
    UPGRADE_REQUIRED = 426,
    PRECONDITION_REQUIRED = 428,
    TOO_MANY_REQUESTS = 429,
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431,
    UNAVAILABLE_FOR_LEGAL_REASONS = 451,
    INTERNAL_SERVER_ERROR = 500,
    NOT_IMPLEMENTED = 501,
    BAD_GATEWAY = 502,
    SERVICE_UNAVAILABLE = 503,
    GATEWAY_TIMEOUT = 504,
    HTTP_VERSION_NOT_SUPPORTED = 505,
    VARIANT_ALSO_NEGOTIATES = 506,
    INSUFFICIENT_STORAGE = 507,
    LOOP_DETECTED = 508,
    NOT_EXTENDED = 510,
    NETWORK_AUTHENTICATION_REQUIRED = 511,
}

impl TryFrom<u32> for StatusCode {
    type Error = &'static str;

    fn try_from(code: u32) -> Result<Self, &'static str> {
        match u16::try_from(code) {
            Ok(code @ 200..=599) => Ok(StatusCode(code)),
            _ => Err("must be a status from 200 to 599: write for example 403"),
        }
    }
}
