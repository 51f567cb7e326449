//! A compiled module, in whatever language it was written: what is in it, and which gateways load it.

mod checks;
mod contents;
mod gateways;
mod host;
mod inspect;
mod report;

pub use checks::{Subject, check};
pub use gateways::{Gateway, Verdict};
pub use report::{Check, Report};

#[cfg(test)]
mod tests;
