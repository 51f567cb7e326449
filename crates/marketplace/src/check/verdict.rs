//! The result of checking a document.

use resource::yaml::{Fault, Position, Span};
use serde::Serialize;
use serde_json::Value;

/// A document of a file and its result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The file, as shown.
    pub file: String,
    /// The first line of the document, from 1.
    pub line: usize,
    /// The plug-in, if the document names one.
    pub plugin: Option<String>,
    /// The result.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Fields without effect.
    pub remarks: Vec<Fault>,
}

/// The result for a document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// The plug-in accepts it and receives this configuration. Its rules may inherit global fields.
    #[serde(rename_all = "camelCase")]
    Accepted {
        /// What the plug-in receives.
        configuration: Value,
        /// Whether a rule inherits the global fields that it does not set, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        rules_start_from_global: Option<bool>,
    },
    /// The plug-in is disabled.
    NotDeployed {
        /// Why.
        reason: &'static str,
    },
    /// The plug-in or the cluster rejects it: the first error, and all errors in order.
    Refused {
        /// The first error.
        error: Fault,
        /// All errors, in order.
        errors: Vec<Fault>,
    },
    /// Skipped, because it is not for a plug-in of this workspace.
    #[serde(rename_all = "camelCase")]
    LeftOut {
        /// The reason.
        note: Fault,
        /// The remedy if nothing else was checked.
        #[serde(skip)]
        remedy: String,
    },
}

impl Verdict {
    /// Creates a rejection with at least one error.
    #[must_use]
    pub fn refused(mut errors: Vec<Fault>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        let error = errors.first().cloned().unwrap_or_else(|| {
            let start = Position { line: 1, column: 1 };
            Fault::new("", Span { start, end: start }, "", "is refused without a reason: this is a bug")
        });
        Self::Refused { error, errors }
    }
}

impl Report {
    /// Returns true if nothing was rejected.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !matches!(self.verdict, Verdict::Refused { .. })
    }

    /// Returns true if it was checked, not skipped.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        !matches!(self.verdict, Verdict::LeftOut { .. })
    }
}
