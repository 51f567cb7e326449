//! A compiled module, written in any language: its contents, and the gateways that load it.

mod checks;
mod contents;
mod gateways;
mod host;
mod inspect;
mod language;
mod report;

pub use checks::{Subject, check};
pub use gateways::{Gateway, Verdict};
pub use inspect::validate;
pub use language::language;
pub use report::{Check, Report};

#[cfg(test)]
mod tests;
