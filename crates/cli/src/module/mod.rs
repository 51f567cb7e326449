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

#[cfg(test)]
mod tests;
