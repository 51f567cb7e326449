//! The plug-ins of the cargo workspace that a gateway runs in: built from source, and validated by their own code.

use std::path::PathBuf;

use resource::names::canonical;
use serde_json::Value;
use workspace::build::{Builder, Profile};
use workspace::describe::{Described, Describer, Refusal};
use workspace::{Error, Plugin, Result, Workspace};

/// The plug-ins of a workspace.
#[derive(Debug, Clone)]
pub struct Plugins {
    workspace: Workspace,
    profile: Profile,
}

impl Plugins {
    /// The plug-ins of a workspace, built with this profile.
    #[must_use]
    pub fn new(workspace: Workspace, profile: Profile) -> Self {
        Self { workspace, profile }
    }

    /// The plug-in of this name; case and `-`/`_` do not matter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        let name = canonical(name);
        self.workspace.plugins.iter().chain(&self.workspace.fixtures).find(|plugin| plugin.name == name)
    }

    /// The plug-in of this name, also one that was added since the workspace was read.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn find(&mut self, name: &str) -> Result<Plugin> {
        if self.get(name).is_none() {
            self.workspace = self.workspace.reload()?;
        }
        self.workspace.plugin(name).cloned()
    }

    /// The files and folders whose changes make another module.
    #[must_use]
    pub fn sources(&self, plugin: &Plugin) -> Vec<PathBuf> {
        self.workspace.sources(plugin)
    }

    /// Builds the module, and returns its file.
    ///
    /// # Errors
    ///
    /// It does not compile; the compiler's messages are on stderr.
    pub fn build(&self, plugin: &Plugin) -> Result<PathBuf> {
        Builder::new(&self.workspace)?.build(plugin, self.profile)
    }

    /// Everything that a plug-in's own code refuses in a document; `None` for one of the classic style, whose
    /// configuration has no types.
    ///
    /// # Errors
    ///
    /// The plug-in does not compile, or exits.
    pub fn check(&self, plugin: &Plugin, document: &Value) -> Result<Option<Vec<Refusal>>> {
        self.describer(plugin)?.map(|describer| describer.check(document)).transpose()
    }

    /// Returns true if the rules of a plug-in inherit the global fields.
    ///
    /// # Errors
    ///
    /// The plug-in does not compile, or exits.
    pub fn rules_start_from_global(&self, plugin: &Plugin) -> Result<bool> {
        self.describer(plugin)?.map_or(Ok(false), |describer| describer.rules_start_from_global())
    }

    /// The schema of a plug-in's configuration (OpenAPI v3), if it has one.
    ///
    /// # Errors
    ///
    /// The plug-in does not compile, or exits.
    pub fn schema(&self, plugin: &Plugin) -> Result<Option<Value>> {
        match self.describer(plugin)?.map(|describer| describer.schema()).transpose() {
            Err(Error::NoSchema { .. }) => Ok(None),
            schema => schema,
        }
    }

    fn describer(&self, plugin: &Plugin) -> Result<Option<Describer>> {
        Ok(match self.workspace.describe(plugin)? {
            Described::Typed(describer) => Some(describer),
            Described::Classic => None,
        })
    }
}
