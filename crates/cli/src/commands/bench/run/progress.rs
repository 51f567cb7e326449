//! Progress of a measurement, which takes minutes: one line on stderr that changes.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

/// Replaces the line, on a terminal only.
pub(super) fn tick(what: impl Display) {
    if stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K  {what}");
    }
}

/// Removes the line.
pub(super) fn done() {
    if stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K");
    }
}
