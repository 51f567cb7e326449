//! Values that cannot be wrong once they are read: strings that match something, texts, statuses, header fields.

#[cfg(all(feature = "schema", not(target_family = "wasm")))]
mod schema;

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A string with at least one character. An empty pattern would match everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct NonEmptyString(String);

impl NonEmptyString {
    /// What is said of an empty one.
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

/// A text as it is written: a number, `true` and `false` need no quotes.
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

/// The status of an answer, 200 to 599 (RFC 9110, section 15). A gateway that is told to answer with
/// another one leaves its client without any answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "u32")]
pub struct StatusCode(u16);

impl StatusCode {
    /// 200.
    pub const OK: StatusCode = StatusCode(200);
    /// 403.
    pub const FORBIDDEN: StatusCode = StatusCode(403);
    /// 429.
    pub const TOO_MANY_REQUESTS: StatusCode = StatusCode(429);
    /// 503.
    pub const SERVICE_UNAVAILABLE: StatusCode = StatusCode(503);

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
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

/// The name of a header field: a token (RFC 9110, section 5.1) in lower case, which is how gateways store
/// it. Pseudo-headers such as `:path` are not among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderName(String);

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

impl Deref for HeaderName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for HeaderName {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The value of a header field: no control characters but tabs (RFC 9110, section 5.5), so that it can
/// neither end the field nor be refused by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderValue(String);

impl TryFrom<String> for HeaderValue {
    type Error = &'static str;

    fn try_from(value: String) -> Result<Self, &'static str> {
        if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err("must not hold control characters such as line breaks: write it in one line");
        }
        Ok(HeaderValue(value))
    }
}

impl Deref for HeaderValue {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for HeaderValue {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
