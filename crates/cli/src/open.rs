//! Opens the workspace of a command.

use std::path::Path;

use anyhow::{Context, Result};
use workspace::Workspace;

use crate::output;

/// Opens the workspace of the current folder.
pub(crate) fn workspace() -> workspace::Result<Workspace> {
    Workspace::at(Path::new("."), output::notice)
}

/// Opens the workspace of the current folder, if there is one. Operators have neither one nor cargo.
pub(crate) fn workspace_here() -> Result<Option<Workspace>> {
    let here = std::env::current_dir().context("reading the current folder")?;
    match here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
        true => Ok(Some(workspace()?)),
        false => Ok(None),
    }
}
