//! What came of a document, for people and for scripts.

use anstyle::AnsiColor;
use config::yaml::{Position, Span};
use serde::Serialize;
use serde_json::Value;

use super::excerpt::excerpt;
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
    /// The plug-in takes it, and gets this.
    Accepted { configuration: Value },
    /// The plug-in does not run at all.
    NotDeployed { reason: &'static str },
    /// The plug-in, or the cluster before it, refuses it.
    Refused { error: Fault },
}

/// Something about a place in a file.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    /// The field, counted from the top of the document: `spec.matchRules[1].config.block_urls[0]`.
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
    /// The line with the field underlined.
    #[serde(skip)]
    pub(crate) excerpt: Option<[String; 3]>,
}

impl Fault {
    pub(crate) fn new(text: &str, span: Span, path: impl Into<String>, message: impl Into<String>) -> Self {
        let Position { line, column } = span.start;
        Self { path: path.into(), line, column, message: message.into(), excerpt: excerpt(text, span) }
    }

    /// On stderr, as a compiler would.
    pub(crate) fn print(&self, kind: &str, file: &str) {
        let colon = if self.path.is_empty() { "" } else { ": " };
        anstream::eprintln!("{kind} {}{colon}{}", styled(BOLD, &self.path), self.message);
        anstream::eprintln!("  --> {file}:{}:{}", self.line, self.column);
        if let Some([above, line, carets]) = &self.excerpt {
            anstream::eprintln!("{above}\n{line}");
            anstream::eprintln!("{}", styled(BAD, carets));
        }
    }
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        !matches!(self.verdict, Verdict::Refused { .. })
    }

    /// What has no effect, on stderr.
    pub(crate) fn print_remarks(&self) {
        let warning = styled(AnsiColor::Yellow.on_default().bold(), "warning:");
        self.remarks.iter().for_each(|remark| remark.print(&warning, &self.file));
    }

    /// The configuration on stdout, everything else on stderr.
    pub(crate) fn print(&self) {
        let Self { file, line, .. } = self;
        self.print_remarks();
        let plugin = self.plugin.as_deref().unwrap_or_default();
        match &self.verdict {
            Verdict::Accepted { configuration } => {
                anstream::eprintln!("{} {file}:{line}: {plugin} gets", mark(true));
                anstream::println!("{configuration:#}");
            }
            Verdict::NotDeployed { reason } => {
                anstream::eprintln!("{} {file}:{line}: {plugin} is not deployed: {reason}", mark(true));
            }
            Verdict::Refused { error } => error.print(&styled(BAD, "error:"), file),
        }
    }
}
