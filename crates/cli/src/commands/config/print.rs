//! Prints the results of checks, for people.

use std::path::Path;

use anstyle::AnsiColor;
use anyhow::Result;
use marketplace::{Error, Report, Verdict};
use resource::yaml::Fault;

use crate::output::{BAD, BOLD, mark, styled};
use crate::program;

/// Prints an error to stderr, in the format of compilers.
pub(crate) fn print(fault: &Fault, kind: &str, file: &str) {
    let colon = if fault.path.is_empty() { "" } else { ": " };
    let message = program::text(&fault.message);
    anstream::eprintln!("{kind} {}{colon}{message}", styled(BOLD, &fault.path));
    anstream::eprintln!("  --> {file}:{}:{}", fault.line, fault.column);
    if let Some([above, line, carets]) = &fault.excerpt {
        anstream::eprintln!("{above}\n{line}");
        anstream::eprintln!("{}", styled(BAD, carets));
    }
}

/// Prints the mistakes of a rejected configuration; any other error is returned.
pub(crate) fn print_mistakes(error: Error, file: &Path) -> Result<()> {
    match error {
        Error::Refused(refusal) if !refusal.mistakes.is_empty() => {
            print_errors(&refusal.mistakes, &file.display().to_string());
            Ok(())
        }
        error => Err(error.into()),
    }
}

fn print_errors(errors: &[Fault], file: &str) {
    errors.iter().for_each(|error| print(error, &styled(BAD, "error:"), file));
    if errors.len() >= config::MAX_ERRORS {
        anstream::eprintln!("{file}: there may be more errors: repair these first");
    }
}

/// Prints fields without effect to stderr.
pub(crate) fn print_remarks(report: &Report) {
    let warning = styled(AnsiColor::Yellow.on_default().bold(), "warning:");
    report.remarks.iter().for_each(|remark| print(remark, &warning, &report.file));
}

/// Prints the configuration to stdout, and everything else to stderr.
pub(crate) fn print_report(report: &Report) {
    let Report { file, line, .. } = report;
    print_remarks(report);
    let plugin = report.plugin.as_deref().unwrap_or_default();
    match &report.verdict {
        Verdict::Accepted { configuration, .. } => {
            anstream::eprintln!("{} {file}:{line}: {plugin} gets", mark(true));
            anstream::println!("{configuration:#}");
        }
        Verdict::NotDeployed { reason } => {
            anstream::eprintln!("{} {file}:{line}: {plugin} is not deployed: {reason}", mark(true));
        }
        Verdict::Refused { errors, .. } => print_errors(errors, file),
        Verdict::LeftOut { note, .. } => {
            let colon = if note.path.is_empty() { "" } else { ": " };
            let note_word = styled(AnsiColor::Cyan.on_default().bold(), "note:");
            let message = program::text(&note.message);
            anstream::eprintln!("{note_word} {file}:{line}: {}{colon}{message}; left out", note.path);
        }
    }
}
