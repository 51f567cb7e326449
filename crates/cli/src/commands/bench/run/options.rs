//! What is to be measured.

use std::path::PathBuf;

/// What was asked for.
pub(super) struct Options {
    /// Envoy's binary, if CPU time is wanted.
    pub(super) envoy: Option<PathBuf>,
    /// Whether instructions are wanted.
    pub(super) interpreter: bool,
    pub(super) rounds: usize,
    pub(super) only: Option<String>,
    pub(super) against: Option<PathBuf>,
    pub(super) config: Option<String>,
    pub(super) against_config: Option<String>,
}
