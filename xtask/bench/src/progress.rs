//! What is being done, on stderr: measuring takes minutes.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

use anstyle::AnsiColor;

/// Something that takes a while begins.
pub(crate) fn step(what: impl Display) {
    let style = AnsiColor::Green.on_default();
    anstream::eprintln!("{style}bench:{style:#} {what}");
}

/// How far it has come: one line that changes, on a terminal only.
pub(crate) fn tick(what: impl Display) {
    if stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K  {what}");
    }
}

/// The line that changes goes away.
pub(crate) fn done() {
    if stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K");
    }
}

/// Something to know that stops nothing.
pub(crate) fn warning(what: impl Display) {
    let style = AnsiColor::Yellow.on_default().bold();
    anstream::eprintln!("{style}warning:{style:#} {what}");
}

/// Why it could not be done.
pub(crate) fn error(error: &anyhow::Error) {
    done();
    let style = AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error:{style:#} {error}");
    for cause in error.chain().skip(1) {
        anstream::eprintln!("  because: {cause}");
    }
}
