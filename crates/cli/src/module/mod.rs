//! A compiled module, in whatever language it was written: what is in it, and which gateways load it.

mod checks;
mod contents;
mod gateways;
mod host;
mod inspect;
mod report;

pub(crate) use checks::{Subject, check};
pub(crate) use gateways::Gateway;
pub(crate) use report::Report;

/// The largest file that the MSE console takes, in bytes.
///
/// Its page says "cannot exceed 50 MB" without saying which megabyte: 50,000,000 bytes pass in both readings.
pub(crate) const CONSOLE_LIMIT: u64 = 50_000_000;

#[cfg(test)]
mod tests;
