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
    /// The stable code of a mistake that pages have a text for: `condition_missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub code: Option<&'static str>,
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
    #[schema(value_type = Option<String>)]
    pub field: Option<&'static str>,
    /// The mistakes in a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
    /// Further lines, such as the results of checks.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub details: Box<[String]>,
}

/// Every code, with the status of its response.
pub const CODES: &[(&str, StatusCode)] = &[
    ("audit_unwritable", StatusCode::INTERNAL_SERVER_ERROR),
    ("changed_meanwhile", StatusCode::PRECONDITION_FAILED),
    ("configuration_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("csrf", StatusCode::FORBIDDEN),
    ("curl_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("description_missing", StatusCode::UNPROCESSABLE_ENTITY),
    ("export_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("field_of_plugin", StatusCode::UNPROCESSABLE_ENTITY),
    ("folder_faulty", StatusCode::CONFLICT),
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
    ("if_match_missing", StatusCode::PRECONDITION_REQUIRED),
    ("image_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("image_unreachable", StatusCode::UNPROCESSABLE_ENTITY),
    ("internal", StatusCode::INTERNAL_SERVER_ERROR),
    ("language_missing", StatusCode::UNPROCESSABLE_ENTITY),
    ("matches_missing", StatusCode::NOT_FOUND),
    ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
    ("module_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("module_missing", StatusCode::UNPROCESSABLE_ENTITY),
    ("module_name", StatusCode::UNPROCESSABLE_ENTITY),
    ("module_not_loaded", StatusCode::UNPROCESSABLE_ENTITY),
    ("module_too_large", StatusCode::PAYLOAD_TOO_LARGE),
    ("move_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("name_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("name_taken", StatusCode::CONFLICT),
    ("no_previous_version", StatusCode::CONFLICT),
    ("not_editable", StatusCode::CONFLICT),
    ("not_found", StatusCode::NOT_FOUND),
    ("nothing_to_change", StatusCode::UNPROCESSABLE_ENTITY),
    ("page_missing", StatusCode::NOT_FOUND),
    ("password_weak", StatusCode::UNPROCESSABLE_ENTITY),
    ("plugin_ambiguous", StatusCode::CONFLICT),
    ("plugin_built_in", StatusCode::CONFLICT),
    ("plugin_elsewhere", StatusCode::CONFLICT),
    ("plugin_enabled", StatusCode::CONFLICT),
    ("plugin_unknown", StatusCode::NOT_FOUND),
    ("priority_not_multiple", StatusCode::UNPROCESSABLE_ENTITY),
    ("priority_range", StatusCode::UNPROCESSABLE_ENTITY),
    ("request_invalid", StatusCode::UNPROCESSABLE_ENTITY),
    ("request_too_large", StatusCode::PAYLOAD_TOO_LARGE),
    ("revert_conflicts", StatusCode::CONFLICT),
    ("signed_out", StatusCode::UNAUTHORIZED),
    ("title_empty", StatusCode::UNPROCESSABLE_ENTITY),
    ("too_many_attempts", StatusCode::TOO_MANY_REQUESTS),
    ("too_many_uploads", StatusCode::TOO_MANY_REQUESTS),
    ("try_failed", StatusCode::UNPROCESSABLE_ENTITY),
    ("upload_broken_off", StatusCode::BAD_REQUEST),
    ("upload_unknown", StatusCode::UNPROCESSABLE_ENTITY),
    ("url_invalid", StatusCode::UNPROCESSABLE_ENTITY),
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
            details: Box::default(),
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
    pub fn of_field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// The same with further lines.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details = details.into_iter().collect();
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

impl From<marketplace::Error> for Problem {
    fn from(error: marketplace::Error) -> Self {
        match error {
            marketplace::Error::Refused(refusal) => Self::from(*refusal),
            marketplace::Error::Failed(error) => Self::internal(format_args!("{error:#}")),
        }
    }
}

impl From<marketplace::Refusal> for Problem {
    fn from(refusal: marketplace::Refusal) -> Self {
        let marketplace::Refusal { code, params, what, remedy, mistakes, report } = refusal;
        if let Some(report) = report
            && code != marketplace::Code::ModuleTooLarge
        {
            let name = report.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return crate::uploads::invalid(&name, &report);
        }
        // A remedy that is a command is for commands.
        let is_command = remedy.contains("`cargo xtask") || remedy.contains("`--");
        let message = if remedy.is_empty() || is_command { what } else { format!("{what}: {remedy}") };
        let mistake = |fault: resource::yaml::Fault| Mistake {
            scope: None,
            path: fault.path,
            line: fault.line,
            column: fault.column,
            end_line: fault.line,
            end_column: fault.column + 1,
            message: fault.message,
            severity: Severity::Error,
            own: true,
            code: None,
        };
        Self {
            params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            field: code.field(),
            mistakes: mistakes.into_iter().map(mistake).collect(),
            ..Self::new(code.name(), message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_marketplace_has_a_status() {
        for code in marketplace::Code::ALL {
            assert!(CODES.iter().any(|(known, _)| *known == code.name()), "{}", code.name());
        }
    }

    #[test]
    fn codes_are_sorted_and_unique() {
        for pair in CODES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
    }
}
