//! The configuration, checked, with its words and expressions compiled.

use config::{Configuration, FieldError, HeaderValue};

use crate::answer::Answers;
use crate::deny::Denied;
use crate::fields::Fields;
use crate::places::{Document, Places};
use crate::roles::Roles;

/// The configuration.
pub struct Config {
    pub rules: Rules,
    /// Where texts are: in requests, in responses, in events.
    pub request: Places,
    pub response: Places,
    pub event: Places,
    /// Whether whole bodies are looked at.
    pub raw: bool,
    pub answers: Answers,
    /// Whether headers wait for the verdict on the body.
    pub hold_headers: bool,
}

/// What is looked for in a text.
pub struct Rules {
    pub denied: Denied,
    pub roles: Option<Roles>,
    /// How much of a stream may wait for the end of a match.
    pub longest: usize,
    pub dry_run: bool,
}

impl Config {
    /// Whether there is anything to look for, and anything to look at.
    pub fn is_idle(&self) -> bool {
        let nothing = self.rules.denied.is_empty() && self.rules.roles.is_none();
        nothing || !(self.raw || self.request.any())
    }

    /// Whether messages are looked at and never changed or denied, so that nothing has to wait.
    pub fn only_looks(&self) -> bool {
        self.rules.dry_run && self.rules.roles.is_none()
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let denied = Denied::new(&fields)?;
        let longest = usize::from(fields.max_match_bytes.get());
        if !(16..=matcher::replace::MAX_MATCH_BYTES).contains(&longest) {
            let most = matcher::replace::MAX_MATCH_BYTES;
            return Err(FieldError::new("max_match_bytes", format!("must be from 16 to {most}: write 256")));
        }
        let raw_content_type = HeaderValue::try_from(fields.deny_content_type)
            .map_err(|message| FieldError::new("deny_content_type", message))?;
        let places = |document| Places::new(document, fields.deny_openai, &fields.deny_jsonpath);
        Ok(Config {
            request: places(Document::Request)?,
            response: places(Document::Response)?,
            event: places(Document::Event)?,
            raw: fields.deny_raw,
            hold_headers: fields.hold_headers,
            answers: Answers {
                status: fields.deny_code,
                message: fields.deny_message,
                raw_message: fields.deny_raw_message,
                raw_content_type,
            },
            rules: Rules {
                denied,
                roles: Roles::new(fields.replace_roles)?,
                longest,
                dry_run: fields.dry_run,
            },
        })
    }
}
