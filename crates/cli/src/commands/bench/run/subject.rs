//! Plug-ins of this workspace, and folders of them: built, with their scenarios.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bench::{InvalidInput, Module, Subject};
use gateway::folder::{self, Entry, StageOrder};
use resource::Deployment;
use resource::annotation::WORKSPACE;
use serde_json::Value;
use workspace::build::{Builder, Profile};
use workspace::dist::{Flavour, Options};
use workspace::{Plugin, Workspace};

use crate::commands::build;
use crate::output;

/// The file with the scenarios of a plug-in or a folder.
const SCENARIOS: &str = folder::BENCH;

/// The plug-ins that have scenarios.
pub(super) fn with_scenarios(workspace: &Workspace) -> Vec<&Plugin> {
    let all = workspace.plugins.iter().chain(&workspace.fixtures);
    all.filter(|plugin| plugin.folder.join(SCENARIOS).is_file()).collect()
}

/// Builds a plug-in and reads its scenarios; none if its checks fail, which has been printed.
pub(super) fn build(workspace: &Workspace, builder: &Builder, plugin: &Plugin) -> Result<Option<Subject>> {
    let Some(module) = module(workspace, builder, plugin)? else { return Ok(None) };
    let manifest = plugin.manifest()?;
    let file = plugin.folder.join(SCENARIOS);
    let name = plugin.name.as_str();
    let holds = manifest.holds_headers || manifest.may_hold_headers;
    let module = Module { name: name.to_owned(), file: module, hold_headers: holds, config: None };
    let subject = match file.is_file() {
        true => Subject::with_scenarios(name, module, &file, workspace.shown(&file))?,
        false => Subject::with_example(name, module, &Value::Object(manifest.example))?,
    };
    Ok(Some(subject))
}

/// Builds the plug-ins of a folder and reads its scenarios; none if their checks fail, which has been printed.
pub(super) fn build_folder(
    workspace: &Workspace,
    builder: &Builder,
    folder: &Path,
) -> Result<Option<Subject>> {
    folder::check(folder).map_err(|error| InvalidInput::new(error.to_string()))?;
    let scenarios = folder.join(SCENARIOS);
    if !scenarios.is_file() {
        bail!(InvalidInput::new(format!(
            "{} has no {SCENARIOS}: write one, as in examples/ai-gateway",
            folder.display()
        )));
    }
    let resources = match folder::read(folder, StageOrder::Mse).sound() {
        Ok(resources) => resources,
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bail!(InvalidInput::new(faults.join("\n")));
        }
    };
    let mut modules = Vec::new();
    for entry in resources.enabled() {
        let plugin = source(workspace, entry)?;
        let Some(file) = module(workspace, builder, plugin)? else { return Ok(None) };
        let config = match entry.resource.deployment() {
            Ok(Deployment::Document(document)) if !document.is_empty() => {
                Some(Value::Object(document).to_string())
            }
            // Istio sends nothing at all for an empty configuration.
            Ok(_) => None,
            Err(error) => bail!(InvalidInput::new(format!("{}: {error}", entry.file.display()))),
        };
        let manifest = plugin.manifest()?;
        modules.push(Module {
            name: entry.name.clone(),
            file,
            hold_headers: manifest.holds_headers || manifest.may_hold_headers,
            config,
        });
    }
    let shown = workspace.shown(&scenarios);
    Ok(Some(Subject::of_folder(&folder.display().to_string(), modules, &scenarios, shown)?))
}

/// The plug-in of this workspace that a resource names.
fn source<'w>(workspace: &'w Workspace, entry: &Entry) -> Result<&'w Plugin> {
    let url = entry.resource.spec.location();
    let Some(name) = url.strip_prefix(WORKSPACE) else {
        bail!(InvalidInput::new(format!(
            "{}:{}: spec.url: {url} is not built from source: write {WORKSPACE} and the name of a plug-in",
            entry.file.display(),
            entry.line
        )));
    };
    Ok(workspace.plugin(name)?)
}

/// Builds the module of a plug-in; none if its checks fail, which has been printed.
fn module(workspace: &Workspace, builder: &Builder, plugin: &Plugin) -> Result<Option<PathBuf>> {
    output::step(format_args!("building {}", plugin.name));
    let options = Options { profile: Profile::Release, flavour: Flavour::Any, copy_to_source: false };
    let Some(built) = build::build(workspace, builder, plugin, options)? else { return Ok(None) };
    Ok(Some(built.files.into_iter().next().context("the build has no module")?))
}
