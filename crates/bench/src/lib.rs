//! Measures what plug-ins cost: CPU time per request in a real Envoy, instructions and host calls in an interpreter.
//!
//! Everything that is compared takes turns in one run, because wall time on one machine says little about another. A
//! [`Subject`] is a module with its [scenarios](scenario), [`compare`] measures it, and a [`Report`] has the results.

mod allocations;
mod compare;
mod corpus;
mod envoy;
mod interpreter;
mod load;
mod module;
mod options;
pub mod progress;
mod report;
mod rounds;
pub mod scenario;
mod stats;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

pub use compare::{compare, read_config, soak};
pub use load::require_h2load;
pub use options::Options;
pub use report::{PluginReport, Report};
use scenario::Scenario;

/// A file or an option of the user that is not valid.
#[derive(Debug)]
pub struct InvalidInput(String);

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidInput {}

/// A module that is measured.
pub struct Subject {
    name: String,
    module: PathBuf,
    hold_headers: bool,
    scenarios: Vec<Scenario>,
}

impl Subject {
    /// The module of a plug-in with the scenarios of its `bench.yaml`, which errors call `shown`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not valid.
    pub fn with_scenarios(
        name: &str,
        module: PathBuf,
        hold_headers: bool,
        file: &Path,
        shown: &Path,
    ) -> Result<Self> {
        Ok(Self { name: name.to_owned(), module, hold_headers, scenarios: scenario::load(file, shown)? })
    }

    /// The module of a plug-in with one scenario, a request under this configuration.
    ///
    /// # Errors
    ///
    /// The scenario cannot be made.
    pub fn with_example(
        name: &str,
        module: PathBuf,
        hold_headers: bool,
        configuration: &Value,
    ) -> Result<Self> {
        let scenarios = vec![scenario::plain("example", configuration)?];
        Ok(Self { name: name.to_owned(), module, hold_headers, scenarios })
    }
}
