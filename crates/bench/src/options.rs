//! What is to be measured.

use std::path::PathBuf;

/// The options of a measurement.
pub struct Options {
    /// Envoy's binary, if CPU time is wanted.
    pub envoy: Option<PathBuf>,
    /// Whether instructions are wanted.
    pub interpreter: bool,
    /// The number of rounds.
    pub rounds: usize,
    /// A text in the names of the scenarios that are measured.
    pub only: Option<String>,
    /// Another module, measured in turns with the plug-in.
    pub against: Option<PathBuf>,
    /// A configuration in place of that of each scenario.
    pub config: Option<String>,
    /// The configuration of the other module, if it is another.
    pub against_config: Option<String>,
}
