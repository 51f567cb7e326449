//! The workspace that a command is run in, and what its plug-ins say about themselves.

use std::path::Path;

use anyhow::{Context, Result, bail};
use workspace::describe::{Described, Describer};
use workspace::{Plugin, Workspace};

use crate::{Usage, output};

/// The workspace that the command is run in.
pub(crate) fn workspace() -> workspace::Result<Workspace> {
    Workspace::at(Path::new("."), output::notice)
}

/// The workspace that the command is run in, if there is one. Operators have neither one nor cargo.
pub(crate) fn workspace_here() -> Result<Option<Workspace>> {
    let here = std::env::current_dir().context("reading the current folder")?;
    match here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
        true => Ok(Some(workspace()?)),
        false => Ok(None),
    }
}

/// The program that answers for a plug-in, for a command that cannot do without.
pub(crate) fn describer(workspace: &Workspace, plugin: &Plugin) -> Result<Describer> {
    match workspace.describe(plugin)? {
        Described::Typed(describer) => Ok(describer),
        Described::Classic => bail!(Usage(format!(
            "{} is of the classic style, so the configuration that it accepts is known to its own code alone: write one \
             into {} and run `cargo xtask test {}`",
            plugin.name,
            plugin.shown.join("tests/cases.yaml").display(),
            plugin.name
        ))),
    }
}
