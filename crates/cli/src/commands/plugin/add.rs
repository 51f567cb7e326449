//! `plugin add`: creates a resource in a new file, and copies the module of a custom plug-in.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use gateway::folder::{StageOrder, edit};
use oci::Catalogue;
use oci::catalogue::Entry;
use resource::annotation::{DESCRIPTION, LANGUAGE, SOURCE, TITLE, WORKSPACE};
use resource::names::{canonical, nearest};
use resource::{Object, Spec, WasmPlugin, yaml};
use serde_json::json;
use workspace::{Plugin, Workspace};

use super::shelf::{Shelf, configuration, module, put_module};
use super::{Card, Where, check_priority};
use crate::Usage;
use crate::catalogue::Choice;
use crate::known::{Known, KnownPlugin};
use crate::output::{mark, warning};

/// The namespace of plug-ins in Higress.
const NAMESPACE: &str = "higress-system";

/// Add a plug-in: one of this workspace or of the catalogue by its name, or a module
///
/// A custom plug-in needs a unique name, a description, a language and a `.wasm` file of at most 50 MB, as in the console.
/// The file is checked and copied into the folder. The plug-in is initially enabled.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The name of a plug-in of this workspace or of the catalogue, or a new one.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) card: Card,
    /// Configuration for requests that match no rule. [default: the example of the manifest, if there is one]
    #[arg(long, value_name = "FILE.yaml")]
    pub(super) config: Option<PathBuf>,
    /// Add the plug-in disabled.
    #[arg(long)]
    pub(super) disabled: bool,
    #[command(flatten)]
    pub(super) catalogue: Choice,
    #[command(flatten)]
    pub(super) place: Where,
}

pub(super) fn run(args: &Args) -> Result<bool> {
    let shelf = Shelf::open(&args.place, StageOrder::Mse)?;
    let workspace = crate::open::workspace_here()?;
    let built_in = workspace
        .as_ref()
        .and_then(|workspace| workspace.plugin(&args.name).ok().map(|plugin| (workspace, plugin)));
    // The catalogue is not needed for plug-ins of the workspace and explicit modules.
    let wants_catalogue = built_in.is_none() && args.card.wasm.is_none();
    let catalogue = if wants_catalogue { args.catalogue.open()? } else { None };
    let listed = catalogue
        .as_ref()
        .and_then(|catalogue| catalogue.find(&canonical(&args.name), None).map(|entry| (catalogue, entry)));
    let name = match (built_in, listed) {
        (Some((_, plugin)), _) => &plugin.name,
        (None, Some((_, entry))) => &entry.name,
        (None, None) => &args.name,
    };
    check_name(name)?;
    if let Some(other) = shelf.content.plugins.iter().find(|entry| &entry.name == name) {
        bail!(Usage(format!(
            "duplicate plug-in `{name}` (already in {}:{}): choose another name",
            other.file.display(),
            other.line
        )));
    }
    if let Some(priority) = args.card.priority {
        check_priority(priority)?;
    }
    let file = shelf.folder.join(format!("{name}.yaml"));
    if file.exists() {
        bail!(Usage(format!("{} already exists: choose another name, or move the file", file.display())));
    }
    let resource = match (built_in, listed) {
        (Some((workspace, plugin)), _) => of_workspace(args, workspace, plugin)?,
        (None, Some((catalogue, entry))) => of_catalogue(args, catalogue, entry)?,
        (None, None) => custom(args, &known(workspace.as_ref(), catalogue.as_ref()), &shelf)?,
    };
    let Some(resource) = resource else { return Ok(false) };
    let resource = serde_json::to_value(resource).context("writing the resource")?;
    let mut text = yaml::write(&resource).context("writing the resource")?;
    if args.disabled {
        text = edit::disable(&text, edit::Place::default())?;
    }
    edit::write(&file, None, text.as_bytes()).with_context(|| format!("writing {}", file.display()))?;
    let state = if args.disabled { "disabled" } else { "enabled" };
    anstream::println!("{} {name} is {state}, in {}", mark(true), file.display());
    if (built_in.is_some() || listed.is_some()) && !args.disabled && args.config.is_none() {
        warning(format_args!(
            "it runs with its example configuration, which acts on real requests: `cargo xtask plugin configure {name} \
             <file>` replaces the configuration, `cargo xtask plugin disable {name}` disables the plug-in"
        ));
    }
    if let Some((catalogue, entry)) = listed
        && catalogue.index().registry.is_none()
        && args.card.url.is_none()
    {
        warning(format_args!(
            "the catalogue does not name a registry, which a cluster needs: `cargo xtask plugin edit {name} --url \
             oci://<your registry>/plugins/{name}:{}`",
            entry.version
        ));
    }
    if let Some((_, plugin)) = built_in
        && args.card.url.is_none()
    {
        warning(format_args!(
            "a cluster cannot fetch `workspace:`: `cargo xtask push {}` its image, and name it with `cargo xtask plugin edit \
             {name} --url oci://…`",
            plugin.name
        ));
    }
    Ok(true)
}

/// A plug-in of this workspace.
fn of_workspace(args: &Args, workspace: &Workspace, plugin: &Plugin) -> Result<Option<WasmPlugin>> {
    if args.card.wasm.is_some() {
        bail!(Usage(format!(
            "`{}` is a plug-in of this workspace: choose another name for the module",
            plugin.name
        )));
    }
    for (given, option) in [
        (&args.card.description, "--description"),
        (&args.card.language, "--language"),
        (&args.card.title, "--title"),
    ] {
        if given.is_some() {
            bail!(Usage(format!("{}'s {option} stands in its plugin.yaml: leave it out here", plugin.name)));
        }
    }
    let manifest = plugin.manifest()?;
    let config = match &args.config {
        Some(file) => {
            let known = Known::of(workspace);
            configuration(Some((&known, KnownPlugin::Workspace(workspace, plugin))), file)?
        }
        None => Some(manifest.example.clone()),
    };
    let Some(config) = config else { return Ok(None) };
    let mut annotations = Object::new();
    annotations.insert(TITLE.into(), manifest.title.as_str().into());
    annotations.insert(DESCRIPTION.into(), manifest.description.as_str().into());
    annotations.insert(LANGUAGE.into(), "Rust".into());
    let url = match &args.card.url {
        Some(url) => {
            annotations.insert(SOURCE.into(), plugin.name.as_str().into());
            check_url(url)?;
            url.clone()
        }
        None => format!("{WORKSPACE}{}", plugin.name),
    };
    let spec = Spec {
        url,
        phase: args.card.stage.unwrap_or(manifest.stage),
        priority: args.card.priority.unwrap_or(manifest.priority),
        fail_strategy: manifest.fail_strategy,
        ..Spec::default()
    };
    Ok(Some(resource(&plugin.name, annotations, spec, &config)))
}

/// A plug-in of the catalogue.
fn of_catalogue(args: &Args, catalogue: &Catalogue, entry: &Entry) -> Result<Option<WasmPlugin>> {
    for (given, option) in [(&args.card.description, "--description"), (&args.card.language, "--language")] {
        if given.is_some() {
            bail!(Usage(format!("the catalogue has the {option} of {}: leave it out", entry.name)));
        }
    }
    let config = match &args.config {
        Some(file) => {
            let known = Known::of_entry(catalogue, entry);
            configuration(Some((&known, KnownPlugin::Catalogue(catalogue, entry))), file)?
        }
        None => Some(entry.example.clone()),
    };
    let Some(config) = config else { return Ok(None) };
    let mut annotations = Object::new();
    annotations.insert(TITLE.into(), args.card.title.as_deref().unwrap_or(entry.title()).into());
    annotations.insert(DESCRIPTION.into(), entry.description().into());
    annotations.insert(LANGUAGE.into(), "Rust".into());
    let url = match &args.card.url {
        Some(url) => {
            check_url(url)?;
            url.clone()
        }
        None => catalogue.reference(entry),
    };
    let spec = json!({ "url": url, "phase": entry.phase, "failStrategy": entry.fail_strategy });
    let spec: Spec = serde_json::from_value(spec)
        .with_context(|| format!("the catalogue's entry of {} is not valid", entry.name))?;
    let spec = Spec {
        phase: args.card.stage.unwrap_or(spec.phase),
        priority: args.card.priority.unwrap_or(entry.priority),
        ..spec
    };
    Ok(Some(resource(&entry.name, annotations, spec, &config)))
}

/// The names of the plug-ins that can be added without a module.
fn known<'a>(workspace: Option<&'a Workspace>, catalogue: Option<&'a Catalogue>) -> Vec<&'a str> {
    let own = workspace.into_iter().flat_map(|workspace| &workspace.plugins).map(|plugin| &plugin.name);
    let listed =
        catalogue.into_iter().flat_map(|catalogue| &catalogue.index().plugins).map(|entry| &entry.name);
    let names: std::collections::BTreeSet<&str> = own.chain(listed).map(String::as_str).collect();
    names.into_iter().collect()
}

/// A custom module.
fn custom(args: &Args, known: &[&str], shelf: &Shelf) -> Result<Option<WasmPlugin>> {
    let name = &args.name;
    if args.card.wasm.is_none() && args.card.url.is_none() {
        let hint = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        bail!(Usage(format!(
            "unknown plug-in `{name}` (known: {}): name its module with `--wasm` or `--url`{}",
            if known.is_empty() { "none; there is no catalogue".to_owned() } else { known.join(", ") },
            hint.unwrap_or_default()
        )));
    }
    let needed = |value: &Option<String>, option: &str| match value.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => bail!(Usage(format!("the console asks for it: add `{option}`"))),
    };
    let description = needed(&args.card.description, "--description 'What it does'")?;
    let language = needed(&args.card.language, "--language Go")?;
    let config = match &args.config {
        Some(file) => configuration(None, file)?,
        None => Some(Object::new()),
    };
    let Some(config) = config else { return Ok(None) };
    let url = match (&args.card.wasm, &args.card.url) {
        (Some(file), _) => {
            let Some(bytes) = module(name, file)? else { return Ok(None) };
            put_module(&shelf.folder, name, &bytes)?
        }
        (None, url) => {
            let url = url.clone().unwrap_or_default();
            check_url(&url)?;
            url
        }
    };
    let mut annotations = Object::new();
    annotations.insert(TITLE.into(), args.card.title.as_ref().unwrap_or(name).as_str().into());
    annotations.insert(DESCRIPTION.into(), description.into());
    annotations.insert(LANGUAGE.into(), language.into());
    let spec = Spec {
        url,
        phase: args.card.stage.unwrap_or_default(),
        priority: args.card.priority.unwrap_or_default(),
        ..Spec::default()
    };
    Ok(Some(resource(name, annotations, spec, &config)))
}

/// Creates the resource, with an empty default configuration if necessary, to show where fields go.
fn resource(name: &str, annotations: Object, spec: Spec, document: &Object) -> WasmPlugin {
    let metadata = [
        ("name".to_owned(), name.into()),
        ("namespace".to_owned(), NAMESPACE.into()),
        ("annotations".to_owned(), annotations.into()),
    ];
    let mut resource = WasmPlugin { metadata: metadata.into_iter().collect(), spec, ..WasmPlugin::default() };
    resource.configure(document);
    if resource.spec.match_rules.is_empty() {
        resource.spec.default_config.get_or_insert_default();
    }
    resource
}

/// Checks the name of a resource.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = name.len() <= 63
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-' || c == '.');
    if !good {
        bail!(Usage(format!(
            "`{name}` is not a valid resource name: write at most 63 lower-case letters, digits, dashes and dots, as in `my-plugin`"
        )));
    }
    Ok(())
}

pub(super) fn check_url(url: &str) -> Result<()> {
    let known = ["oci://", "http://", "https://"];
    if !known.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
        bail!(Usage(format!("`{url}` is nothing that a cluster fetches: write oci://, http:// or https://")));
    }
    Ok(())
}
