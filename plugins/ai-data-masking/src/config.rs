//! The validated configuration with its compiled words and expressions.

use config::{Configuration, FieldError, HeaderValue};
use text::chat::texts::{Document, TextPaths};
use text::json::Paths;

use crate::denial::Denials;
use crate::deny::Denied;
use crate::fields::Fields;
use crate::roles::Roles;

/// The configuration.
pub struct Config {
    pub rules: Rules,
    /// Paths of texts in requests, responses and events.
    pub request: TextPaths,
    pub response: TextPaths,
    pub event: TextPaths,
    /// Inspect whole bodies.
    pub raw: bool,
    pub denials: Denials,
    /// Hold headers until the decision on the body.
    pub hold_headers: bool,
}

/// The words and expressions to search for.
pub struct Rules {
    pub denied: Denied,
    pub roles: Option<Roles>,
    /// The maximum number of bytes of a stream to hold for a match.
    pub max_match: usize,
    pub dry_run: bool,
}

impl Config {
    /// Returns true if there is nothing to search for or nothing to inspect.
    pub fn is_idle(&self) -> bool {
        let nothing = self.rules.denied.is_empty() && self.rules.roles.is_none();
        nothing || !(self.raw || self.request.any())
    }

    /// Returns true if messages are inspected but never changed or denied, so nothing is held.
    pub fn is_passive(&self) -> bool {
        self.rules.dry_run && self.rules.roles.is_none()
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let denied = Denied::new(&fields)?;
        let max_match = usize::from(fields.max_match_bytes.get());
        if !(16..=matcher::replace::MAX_MATCH_BYTES).contains(&max_match) {
            let max = matcher::replace::MAX_MATCH_BYTES;
            return Err(FieldError::new("max_match_bytes", format!("must be from 16 to {max}: write 256")));
        }
        let raw_content_type = HeaderValue::try_from(fields.deny_content_type)
            .map_err(|message| FieldError::new("deny_content_type", message))?;
        let selected: Vec<&str> = fields.deny_jsonpath.iter().map(|path| &**path).collect();
        for (index, path) in selected.iter().enumerate() {
            Paths::new(&[path])
                .map_err(|error| FieldError::in_list("deny_jsonpath", index, error.to_string()))?;
        }
        let paths = |document| {
            TextPaths::new(document, fields.deny_openai, &selected)
                .map_err(|error| FieldError::new("deny_jsonpath", error.to_string()))
        };
        Ok(Config {
            request: paths(Document::Request)?,
            response: paths(Document::Response)?,
            event: paths(Document::Event)?,
            raw: fields.deny_raw,
            hold_headers: fields.hold_headers,
            denials: Denials {
                status: fields.deny_code,
                message: fields.deny_message,
                raw_message: fields.deny_raw_message,
                raw_content_type,
            },
            rules: Rules {
                denied,
                roles: Roles::new(fields.replace_roles)?,
                max_match,
                dry_run: fields.dry_run,
            },
        })
    }
}
