//! A plug-in of this workspace: built, with its scenarios.

use anyhow::{Context, Result};
use bench::Subject;
use serde_json::Value;
use workspace::build::{Builder, Profile};
use workspace::dist::{Flavour, Options};
use workspace::{Plugin, Workspace};

use crate::commands::build;
use crate::output;

/// The file with a plug-in's scenarios.
const SCENARIOS: &str = "bench.yaml";

/// The plug-ins that have scenarios.
pub(super) fn with_scenarios(workspace: &Workspace) -> Vec<&Plugin> {
    let all = workspace.plugins.iter().chain(&workspace.fixtures);
    all.filter(|plugin| plugin.folder.join(SCENARIOS).is_file()).collect()
}

/// Builds a plug-in and reads its scenarios; none if its checks fail, which has been printed.
pub(super) fn build(workspace: &Workspace, builder: &Builder, plugin: &Plugin) -> Result<Option<Subject>> {
    output::step(format_args!("building {}", plugin.name));
    let options = Options { profile: Profile::Release, flavour: Flavour::Any, copy_to_source: false };
    let Some(built) = build::build(workspace, builder, plugin, options)? else { return Ok(None) };
    let module = built.files.into_iter().next().context("the build has no module")?;
    let manifest = plugin.manifest()?;
    let file = plugin.folder.join(SCENARIOS);
    let (name, holds) = (plugin.name.as_str(), manifest.holds_headers);
    let subject = match file.is_file() {
        true => Subject::with_scenarios(name, module, holds, &file, workspace.shown(&file))?,
        false => Subject::with_example(name, module, holds, &Value::Object(manifest.example))?,
    };
    Ok(Some(subject))
}
