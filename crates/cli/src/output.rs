//! Output for people: tables, marks and errors, with colours only on a terminal.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use workspace::Notice;

use crate::program;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();

/// Returns a styled text.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns ✓ or ✗.
pub(crate) fn mark(ok: bool) -> String {
    if ok { styled(GOOD, "✓") } else { styled(BAD, "✗") }
}

/// Prints progress to stderr, since stdout is for results.
pub(crate) fn step(what: impl Display) {
    anstream::eprintln!("{} {}", styled(GOOD, "portcullis:"), program::text(&what.to_string()));
}

/// Prints a warning.
pub(crate) fn warning(what: impl Display) {
    let style = AnsiColor::Yellow.on_default().bold();
    anstream::eprintln!("{} {}", styled(style, "warning:"), program::text(&what.to_string()));
}

/// Prints a problem that a check found.
pub(crate) fn problem(what: impl Display) {
    anstream::eprintln!("{} {}", mark(false), program::text(&what.to_string()));
}

/// Prints notices of the libraries.
pub(crate) fn notice(notice: &Notice<'_>) {
    if notice.is_warning() { warning(notice) } else { step(notice) }
}

/// Prints the error that ended a command.
pub(crate) fn error(error: &anyhow::Error) {
    anstream::eprintln!("{} {}", styled(BAD, "error:"), program::text(&error.to_string()));
    let mut printed = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some errors contain the texts of their causes.
        if !printed.contains(cause.trim_end()) {
            anstream::eprintln!("  because: {}", program::text(cause.trim_end()));
            printed = cause;
        }
    }
}

/// Prints a table. The columns in `right` are aligned to the right.
pub(crate) fn table(headings: &[&str], right: &[usize], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if right.contains(&column) {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                })
                .collect();
        padded.join("  ").trim_end().to_owned()
    };
    anstream::println!("{}", styled(BOLD, line(&mut headings.iter().copied())));
    for row in rows {
        anstream::println!("{}", line(&mut row.iter().map(String::as_str)));
    }
}
