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
mod stream;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

pub use compare::{compare, read_config, soak};
pub use load::require_h2load;
pub use options::Options;
pub use report::{PluginReport, Report};
use scenario::{Of, Scenario};

/// A file or an option of the user that is not valid.
#[derive(Debug)]
pub struct InvalidInput(String);

impl InvalidInput {
    /// An error that is printed as it is.
    #[must_use]
    pub fn new(message: String) -> Self {
        Self(message)
    }
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidInput {}

/// A plug-in that is measured, or the plug-ins of a folder, one after the other.
pub struct Subject {
    name: String,
    of: Of,
    modules: Vec<Module>,
    scenarios: Vec<Scenario>,
}

/// The module of a plug-in.
pub struct Module {
    /// The name of the plug-in, or of its resource in a folder.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Whether headers are held while its body callbacks run.
    pub hold_headers: bool,
    /// Its configuration in a folder. Otherwise, scenarios have one.
    pub config: Option<String>,
}

impl Subject {
    /// The module of a plug-in with the scenarios of its `bench.yaml`, which errors call `shown`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not valid.
    pub fn with_scenarios(name: &str, module: Module, file: &Path, shown: &Path) -> Result<Self> {
        let scenarios = scenario::load(file, shown, Of::Plugin)?;
        Ok(Self { name: name.to_owned(), of: Of::Plugin, modules: vec![module], scenarios })
    }

    /// The modules of a folder in the order of requests, with the scenarios of its `bench.yaml`, which errors call `shown`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not valid.
    pub fn of_folder(name: &str, modules: Vec<Module>, file: &Path, shown: &Path) -> Result<Self> {
        let scenarios = scenario::load(file, shown, Of::Folder)?;
        Ok(Self { name: name.to_owned(), of: Of::Folder, modules, scenarios })
    }

    /// The module of a plug-in with one scenario, a request under this configuration.
    ///
    /// # Errors
    ///
    /// The scenario cannot be made.
    pub fn with_example(name: &str, module: Module, configuration: &Value) -> Result<Self> {
        let scenarios = vec![scenario::plain("example", configuration)?];
        Ok(Self { name: name.to_owned(), of: Of::Plugin, modules: vec![module], scenarios })
    }

    /// The module of a plug-in; none for a folder.
    fn plugin(&self) -> Option<&Module> {
        self.modules.first().filter(|_| self.of == Of::Plugin)
    }
}
