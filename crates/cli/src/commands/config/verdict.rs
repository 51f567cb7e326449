//! The result of checking a document, for people and scripts.

use anstyle::AnsiColor;
use resource::yaml::{Fault, Position, Span};
use serde::Serialize;
use serde_json::Value;

use crate::output::{BAD, BOLD, mark, styled};

/// A document of a file and its result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) file: String,
    /// The first line of the document, from 1.
    pub(crate) line: usize,
    /// The plug-in, if the document names one.
    pub(crate) plugin: Option<String>,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// Fields without effect.
    pub(crate) remarks: Vec<Fault>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub(crate) enum Verdict {
    /// The plug-in accepts it and receives this configuration. Its rules may inherit global fields.
    #[serde(rename_all = "camelCase")]
    Accepted {
        configuration: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        rules_start_from_global: Option<bool>,
    },
    /// The plug-in is disabled.
    NotDeployed { reason: &'static str },
    /// The plug-in or the cluster rejects it: the first error, and all errors in order.
    Refused { error: Fault, errors: Vec<Fault> },
    /// Skipped, because it is not for a plug-in of this workspace.
    #[serde(rename_all = "camelCase")]
    LeftOut {
        note: Fault,
        /// The remedy if nothing else was checked.
        #[serde(skip)]
        remedy: String,
    },
}

impl Verdict {
    /// Creates a rejection with at least one error.
    pub(super) fn refused(mut errors: Vec<Fault>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        let error = errors.first().cloned().unwrap_or_else(|| {
            let start = Position { line: 1, column: 1 };
            Fault::new("", Span { start, end: start }, "", "is refused without a reason: this is a bug")
        });
        Self::Refused { error, errors }
    }
}

/// Prints an error to stderr, in the format of compilers.
pub(crate) fn print(fault: &Fault, kind: &str, file: &str) {
    let colon = if fault.path.is_empty() { "" } else { ": " };
    anstream::eprintln!("{kind} {}{colon}{}", styled(BOLD, &fault.path), fault.message);
    anstream::eprintln!("  --> {file}:{}:{}", fault.line, fault.column);
    if let Some([above, line, carets]) = &fault.excerpt {
        anstream::eprintln!("{above}\n{line}");
        anstream::eprintln!("{}", styled(BAD, carets));
    }
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        !matches!(self.verdict, Verdict::Refused { .. })
    }

    /// Returns true if it was checked, not skipped.
    pub(crate) fn is_checked(&self) -> bool {
        !matches!(self.verdict, Verdict::LeftOut { .. })
    }

    /// Prints fields without effect to stderr.
    pub(crate) fn print_remarks(&self) {
        let warning = styled(AnsiColor::Yellow.on_default().bold(), "warning:");
        self.remarks.iter().for_each(|remark| print(remark, &warning, &self.file));
    }

    /// Prints the configuration to stdout, and everything else to stderr.
    pub(crate) fn print(&self) {
        let Self { file, line, .. } = self;
        self.print_remarks();
        let plugin = self.plugin.as_deref().unwrap_or_default();
        match &self.verdict {
            Verdict::Accepted { configuration, .. } => {
                anstream::eprintln!("{} {file}:{line}: {plugin} gets", mark(true));
                anstream::println!("{configuration:#}");
            }
            Verdict::NotDeployed { reason } => {
                anstream::eprintln!("{} {file}:{line}: {plugin} is not deployed: {reason}", mark(true));
            }
            Verdict::Refused { errors, .. } => {
                errors.iter().for_each(|error| print(error, &styled(BAD, "error:"), file));
                if errors.len() >= config::MAX_ERRORS {
                    anstream::eprintln!("{file}: there may be more errors: repair these first");
                }
            }
            Verdict::LeftOut { note, .. } => {
                let colon = if note.path.is_empty() { "" } else { ": " };
                let note_word = styled(AnsiColor::Cyan.on_default().bold(), "note:");
                anstream::eprintln!(
                    "{note_word} {file}:{line}: {}{colon}{}; left out",
                    note.path,
                    note.message
                );
            }
        }
    }
}
