//! The Core Rule Set in the engine: its regression tests, if the release in `CRS` has them, and decisions at level 1.

#[path = "../../seclang/tests/support/mod.rs"]
mod support;

#[cfg(test)]
#[path = "crs/corpus.rs"]
mod corpus;
#[cfg(test)]
#[path = "crs/decisions.rs"]
mod decisions;
#[cfg(test)]
#[path = "crs/oracle.rs"]
mod oracle;
