//! What is to be measured.

use std::path::PathBuf;

/// What was asked for.
pub(crate) struct Options {
    /// Envoy's binary, if CPU time is wanted.
    pub(crate) envoy: Option<PathBuf>,
    /// Whether instructions are wanted.
    pub(crate) interpreter: bool,
    pub(crate) rounds: usize,
    pub(crate) only: Option<String>,
    pub(crate) against: Option<PathBuf>,
    pub(crate) config: Option<String>,
    pub(crate) against_config: Option<String>,
}
