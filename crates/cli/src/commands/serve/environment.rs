//! The surroundings of `serve`, `request` and `explain`: a cargo workspace or none, and the folder for fetched files.

use std::env;

use anyhow::Result;
use gateway::Cache;
use gateway::plugins::Plugins;
use workspace::build::{Profile, require_cargo};

use crate::open;

/// The surroundings of a command.
pub(crate) struct Environment {
    /// The plug-ins of the workspace, or why there are none.
    pub(crate) plugins: Result<Plugins, String>,
    /// The folder for fetched files.
    pub(crate) cache: Cache,
}

impl Environment {
    /// Finds the workspace of the current directory, whose plug-ins are built with this profile, and the cache.
    pub(crate) fn find(profile: Profile) -> Result<Self> {
        let here = env::current_dir()?;
        if !here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
            let reason = format!("{} is in none", here.display());
            return Ok(Self { plugins: Err(reason), cache: Cache::user()? });
        }
        // Without cargo there are modules of other kinds to serve.
        if require_cargo().is_err() {
            return Ok(Self { plugins: Err("cargo is not installed".into()), cache: Cache::user()? });
        }
        let workspace = open::workspace()?;
        let cache = Cache::Target(workspace.target.clone());
        Ok(Self { plugins: Ok(Plugins::new(workspace, profile)), cache })
    }
}
