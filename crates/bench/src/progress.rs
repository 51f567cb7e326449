//! Progress of a measurement, which takes minutes, on stderr.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

use anstyle::AnsiColor;

/// Replaces the current line, on a terminal only.
pub(crate) fn tick(what: impl Display) {
    if stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K  {what}");
    }
}

/// Removes the line of progress.
pub fn done() {
    if stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K");
    }
}

/// A step that has begun.
pub(crate) fn step(what: impl Display) {
    let style = AnsiColor::Green.on_default();
    anstream::eprintln!("{style}bench:{style:#} {what}");
}

/// Something that makes figures doubtful.
pub(crate) fn warning(what: impl Display) {
    let style = AnsiColor::Yellow.on_default().bold();
    anstream::eprintln!("{style}warning:{style:#} {what}");
}
