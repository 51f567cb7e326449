//! What came of a document, for people and for scripts.

use anstyle::AnsiColor;
use resource::yaml::{Fault, Position, Span};
use serde::Serialize;
use serde_json::Value;

use crate::output::{BAD, BOLD, mark, styled};

/// One document of a file, and what would become of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) file: String,
    /// Where the document begins, from 1.
    pub(crate) line: usize,
    /// Who was asked; nothing when the document does not say.
    pub(crate) plugin: Option<String>,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// What has no effect.
    pub(crate) remarks: Vec<Fault>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub(crate) enum Verdict {
    /// The plug-in takes it, and gets this. Its rules have what they do not write from the global fields, or not.
    #[serde(rename_all = "camelCase")]
    Accepted { configuration: Value, rules_start_from_global: bool },
    /// The plug-in does not run at all.
    NotDeployed { reason: &'static str },
    /// The plug-in, or the cluster before it, refuses it: the first error, and all of them in the order of the text.
    Refused { error: Fault, errors: Vec<Fault> },
    /// It is not for a plug-in of this workspace, beside others that are.
    #[serde(rename_all = "camelCase")]
    LeftOut {
        note: Fault,
        /// What to do where there is nothing else.
        #[serde(skip)]
        remedy: String,
    },
}

impl Verdict {
    /// Refused for at least one reason.
    pub(super) fn refused(mut errors: Vec<Fault>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        let error = errors.first().cloned().unwrap_or_else(|| {
            let start = Position { line: 1, column: 1 };
            Fault::new("", Span { start, end: start }, "", "is refused without a reason: this is a bug")
        });
        Self::Refused { error, errors }
    }
}

/// On stderr, as a compiler would.
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

    /// Whether it was checked, and not left out.
    pub(crate) fn is_checked(&self) -> bool {
        !matches!(self.verdict, Verdict::LeftOut { .. })
    }

    /// What has no effect, on stderr.
    pub(crate) fn print_remarks(&self) {
        let warning = styled(AnsiColor::Yellow.on_default().bold(), "warning:");
        self.remarks.iter().for_each(|remark| print(remark, &warning, &self.file));
    }

    /// The configuration on stdout, everything else on stderr.
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
