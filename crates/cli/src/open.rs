//! Opens the workspace of a command, and describes its plug-ins.

use std::path::Path;

use anyhow::{Context, Result, bail};
use workspace::describe::{Described, Describer};
use workspace::{Plugin, Workspace};

use crate::{Usage, output};

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

/// Returns the helper that describes a plug-in, or an error if there is none.
pub(crate) fn describer(workspace: &Workspace, plugin: &Plugin) -> Result<Describer> {
    match workspace.describe(plugin)? {
        Described::Typed(describer) => Ok(describer),
        Described::Classic => bail!(Usage(format!(
            "{} has the classic style, so only its own code knows its configuration: write one \
             into {} and run `cargo xtask test {}`",
            plugin.name,
            plugin.shown.join("tests/cases.yaml").display(),
            plugin.name
        ))),
    }
}
