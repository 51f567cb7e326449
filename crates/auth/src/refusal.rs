//! Refusals: the responses to requests without valid credentials.

use std::borrow::Cow;

use config::StatusCode;
use sdk::Reply;

use crate::access::Access;

/// Why a request is refused, and the response to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    details: &'static str,
    text: Cow<'static, str>,
    headers: Vec<(&'static str, Vec<u8>)>,
    cause: Cow<'static, str>,
}

impl Refusal {
    /// Creates a refusal. `details` is `<plug-in>.<reason>`, as for [`Reply::details`], and `text` the body.
    pub fn new(status: StatusCode, details: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status, details, text: text.into(), headers: Vec::new(), cause: Cow::Borrowed("") }
    }

    /// Creates a refusal for missing or invalid credentials: 401.
    pub fn unauthorized(details: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, details, text)
    }

    /// Creates a refusal for a consumer that is not allowed: 403.
    pub fn forbidden(details: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, details, text)
    }

    /// Sets `WWW-Authenticate` (RFC 9110, section 11.6.1), see [`challenge`].
    pub fn challenge(self, challenge: impl Into<String>) -> Self {
        self.header("www-authenticate", challenge.into())
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the reason for the log. It must not contain anything that the client sent.
    pub fn cause(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Returns the response.
    pub fn reply(self, access: &Access) -> Reply {
        let reply = Reply::new(self.status)
            .details(self.details)
            .cause(self.cause)
            .body(self.text.into_owned())
            .dry_run(access.is_dry_run());
        self.headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }
}

/// Returns the value of `WWW-Authenticate` for a scheme and a realm: `Basic realm="MSE Gateway"`.
pub fn challenge(scheme: &str, realm: &Realm) -> String {
    format!("{scheme} realm=\"{}\"", realm.0)
}

/// A realm: a text without quotation marks, backslashes and control characters, so that it can be quoted
/// (RFC 9110, section 5.6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(String);

impl Realm {
    /// The default, as in Higress.
    pub const DEFAULT: &str = "MSE Gateway";
}

impl TryFrom<Option<String>> for Realm {
    type Error = config::FieldError;

    fn try_from(text: Option<String>) -> Result<Self, config::FieldError> {
        let text = text.unwrap_or_else(|| Realm::DEFAULT.to_owned());
        let is_quotable = |c: char| c == ' ' || (c.is_ascii_graphic() && c != '"' && c != '\\');
        match text.chars().all(is_quotable) {
            true => Ok(Realm(text)),
            false => Err(config::FieldError::new(
                "realm",
                "must consist of printable ASCII characters without `\"` and `\\`: write for example MSE Gateway",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_is_quoted_and_cannot_end_the_quotes() -> Result<(), config::FieldError> {
        assert_eq!(challenge("Key", &None.try_into()?), "Key realm=\"MSE Gateway\"");
        for text in ["a\"b", "a\\", "a\nb", "ä"] {
            assert!(Realm::try_from(Some(text.to_owned())).is_err(), "{text}");
        }
        Ok(())
    }
}
