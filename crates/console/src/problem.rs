//! Refusals: a stable code with parameters for programs and translations, and an English text.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mistake {
    /// The key of its scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The field, such as `block_urls[0]`.
    pub path: String,
    /// The first line in the scope's text, from 1.
    pub line: usize,
    /// The first column, from 1.
    pub column: usize,
    /// The line of the end.
    pub end_line: usize,
    /// The column after the end.
    pub end_column: usize,
    /// The text.
    pub message: String,
    /// Whether it prevents saving.
    pub severity: Severity,
    /// Whether the text is the plug-in's own, which is never translated.
    pub own: bool,
}

/// Whether a mistake prevents saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The stable code.
    #[schema(value_type = String, example = "plugin_enabled")]
    pub code: &'static str,
    /// The English text.
    pub message: String,
    /// The parameters of the text in other languages.
    pub params: BTreeMap<String, String>,
    /// The field of the request's body that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The mistakes in a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// Further lines, such as the results of checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// Every code, with the status of its response.
pub const CODES: &[(&str, StatusCode)] = &[
    ("audit_unwritable", StatusCode::INTERNAL_SERVER_ERROR),
    ("changed_meanwhile", StatusCode::PRECONDITION_FAILED),
    ("csrf", StatusCode::FORBIDDEN),
    ("forbidden", StatusCode::FORBIDDEN),
    ("gateway_address", StatusCode::CONFLICT),
    ("gateway_elsewhere", StatusCode::CONFLICT),
    ("gateway_running", StatusCode::CONFLICT),
    ("gateway_stopped", StatusCode::CONFLICT),
    ("gateway_unknown", StatusCode::NOT_FOUND),
    ("history_commit", StatusCode::CONFLICT),
    ("history_detached", StatusCode::CONFLICT),
    ("history_identity", StatusCode::CONFLICT),
    ("history_merging", StatusCode::CONFLICT),
    ("history_unknown", StatusCode::NOT_FOUND),
    ("image_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("image_unreachable", StatusCode::UNPROCESSABLE_ENTITY),
    ("internal", StatusCode::INTERNAL_SERVER_ERROR),
    ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
    ("module_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("module_name", StatusCode::UNPROCESSABLE_ENTITY),
    ("module_too_large", StatusCode::PAYLOAD_TOO_LARGE),
    ("not_found", StatusCode::NOT_FOUND),
    ("page_missing", StatusCode::NOT_FOUND),
    ("password_weak", StatusCode::UNPROCESSABLE_ENTITY),
    ("request_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("request_too_large", StatusCode::PAYLOAD_TOO_LARGE),
    ("revert_conflicts", StatusCode::CONFLICT),
    ("signed_out", StatusCode::UNAUTHORIZED),
    ("too_many_attempts", StatusCode::TOO_MANY_REQUESTS),
    ("too_many_uploads", StatusCode::TOO_MANY_REQUESTS),
    ("upload_broken_off", StatusCode::BAD_REQUEST),
    ("upload_unknown", StatusCode::UNPROCESSABLE_ENTITY),
    ("wrong_credentials", StatusCode::UNAUTHORIZED),
    ("wrong_host", StatusCode::FORBIDDEN),
    ("wrong_origin", StatusCode::FORBIDDEN),
];

impl Problem {
    /// A refusal with this code and text.
    pub fn new(code: &'static str, message: impl Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            params: BTreeMap::new(),
            field: None,
            mistakes: Vec::new(),
            details: Vec::new(),
        }
    }

    /// The same with a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// The same about a field of the request's body.
    #[must_use]
    pub fn of_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// The same with further lines.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// An error of the machine or of this program.
    pub fn internal(error: impl Display) -> Self {
        let text = error.to_string();
        Self::new("internal", format_args!("the console failed: {text}")).with("reason", &text)
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let known = CODES.iter().find(|(code, _)| *code == self.code);
        known.map_or(StatusCode::CONFLICT, |(_, status)| *status)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_unique() {
        for pair in CODES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
    }
}
