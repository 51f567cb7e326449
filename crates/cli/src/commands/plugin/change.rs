//! `plugin edit`, `configure`, `enable`, `disable` and `delete`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use gateway::folder::edit::{self, EditError};
use gateway::folder::{Entry, StageOrder};
use resource::ControlPlane;
use resource::annotation::{DESCRIPTION, LANGUAGE, SOURCE, TITLE};
use serde_json::Value;

use super::add::check_url;
use super::shelf::{MODULES, Shelf, change, configuration, module, put_module};
use super::{Card, Where, check_priority};
use crate::Usage;
use crate::catalogue::Choice;
use crate::known::Sources;
use crate::output::{mark, warning};

/// Edit a custom plug-in, which must be disabled, or the `--url` of one of this workspace
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EditArgs {
    /// The name, or `namespace/name`.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) card: Card,
    #[command(flatten)]
    pub(super) place: Where,
}

/// Set the configuration of a plug-in for requests that match no rule
///
/// Edit match rules in the file.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConfigureArgs {
    /// The name, or `namespace/name`.
    pub(super) name: String,
    /// The fields in YAML or JSON; `-` reads the standard input.
    #[arg(value_name = "FILE.yaml")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    pub(super) place: Where,
}

/// Enable plug-ins, and undo exactly the changes of `disable`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NamesArgs {
    /// The names, or `namespace/name`.
    #[arg(required = true)]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) place: Where,
}

/// Delete a plug-in, which must be disabled
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The name, or `namespace/name`.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) place: Where,
}

/// Rejects changes of fields that only Higress's resource has, and of resources that cannot be edited separately.
fn has_fields(entry: &Entry, what: &str) -> Result<()> {
    if entry.resource.control_plane != ControlPlane::Higress {
        bail!(
            "{} is in {}'s {} ({}:{}), which has no field for that, and cannot be {what}: change the file",
            entry.name,
            entry.resource.control_plane.title(),
            entry.resource.control_plane.kind(),
            entry.file.display(),
            entry.line
        );
    }
    is_alone(entry, what)
}

/// Rejects resources in nested lists, and policies with several plug-ins.
fn is_alone(entry: &Entry, what: &str) -> Result<()> {
    if !entry.alone {
        bail!(
            "{} is one of several in {}:{} and cannot be {what}: change the file",
            entry.name,
            entry.file.display(),
            entry.line
        );
    }
    Ok(())
}

/// Rejects editing or deleting an enabled plug-in.
fn is_disabled(entry: &Entry, what: &str) -> Result<()> {
    if entry.enabled {
        bail!(
            "{} is enabled and cannot be {what}: `cargo xtask plugin disable {}` first",
            entry.name,
            entry.name
        );
    }
    Ok(())
}

impl EditArgs {
    /// Of a plug-in of this workspace, a resource says where its image is; everything else is in the plug-in's own folder.
    fn only_url(&self, entry: &Entry, source: &str) -> Result<()> {
        let Card { wasm, url, description, language, title, stage, priority } = &self.card;
        let others = wasm.is_some()
            || description.is_some()
            || language.is_some()
            || title.is_some()
            || stage.is_some()
            || priority.is_some();
        if others || url.is_none() {
            bail!(
                "{} is a plug-in of this workspace: `--url` names its image, `cargo xtask plugin configure` its fields, and \
                 everything else is in the folder of {source}",
                entry.name
            );
        }
        Ok(())
    }
}

pub(super) fn edit(args: &EditArgs) -> Result<bool> {
    let shelf = Shelf::open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    has_fields(entry, "edited")?;
    match &entry.source {
        Some(source) => args.only_url(entry, source)?,
        None => is_disabled(entry, "edited")?,
    }
    if let Some(priority) = args.card.priority {
        check_priority(priority)?;
    }
    let mut fields: Vec<(&[&str], Value)> = Vec::new();
    for (path, text) in [
        (&["metadata", "annotations", DESCRIPTION], &args.card.description),
        (&["metadata", "annotations", LANGUAGE], &args.card.language),
        (&["metadata", "annotations", TITLE], &args.card.title),
    ] {
        if let Some(text) = text {
            if text.trim().is_empty() {
                bail!(Usage("a text is empty: the console asks for one, write at least a word".into()));
            }
            fields.push((path, text.as_str().into()));
        }
    }
    fields.extend(args.card.stage.map(|stage| (&["spec", "phase"][..], stage.phase().into())));
    fields.extend(args.card.priority.map(|priority| (&["spec", "priority"][..], priority.into())));
    if let Some(url) = &args.card.url {
        check_url(url)?;
        fields.push((&["spec", "url"], url.as_str().into()));
        if let Some(source) = &entry.source {
            // Keep the plug-in that the image belongs to.
            fields.push((&["metadata", "annotations", SOURCE], source.as_str().into()));
        }
    }
    let bytes = match &args.card.wasm {
        None => None,
        Some(file) => match module(&entry.name, file)? {
            Some(bytes) => Some(bytes),
            None => return Ok(false),
        },
    };
    if fields.is_empty() && bytes.is_none() {
        bail!(Usage("nothing is to be changed: write `--wasm`, `--description` or another option".into()));
    }
    if args.card.wasm.is_some() || args.card.url.is_some() {
        // The digest belongs to the old module.
        fields.push((&["spec", "sha256"], Value::Null));
    }
    if bytes.is_some() {
        let url = format!("file://{MODULES}/{}.wasm", entry.name);
        fields.push((&["spec", "url"], url.into()));
    }
    change(entry, |text, place| edit::set(text, place, &fields))?;
    if let Some(bytes) = bytes {
        put_module(&shelf.folder, &entry.name, &bytes)?;
    }
    anstream::println!("{} {} is edited, in {}", mark(true), entry.name, entry.file.display());
    Ok(true)
}

pub(super) fn configure(args: &ConfigureArgs) -> Result<bool> {
    let shelf = Shelf::open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    if entry.place.matches("items").count() > 1 {
        is_alone(entry, "configured")?;
    }
    let sources = Sources::open_any(&Choice::default())?;
    let known = sources.known();
    let plugin = known.deployed(&entry.resource).map(|plugin| (&known, plugin));
    let Some(fields) = configuration(plugin, &args.config)? else { return Ok(false) };
    let field = entry.resource.configuration_field();
    if fields.contains_key("_rules_") && !entry.resource.spec.match_rules.is_empty() {
        bail!(Usage(format!(
            "{} has rules, which the resource's own `matchRules` would replace: write them there",
            args.config.display()
        )));
    }
    // `spec.wasm[0].config`, whose keys are `spec`, `wasm`, `[0]` and `config`.
    let field = field.replace('[', ".[");
    let path: Vec<&str> = field.split('.').collect();
    change(entry, |text, place| edit::set(text, place, &[(&path, Value::Object(fields))]))?;
    anstream::println!("{} {} is configured, in {}", mark(true), entry.name, entry.file.display());
    if entry.enabled && entry.resource.spec.default_config_disable && path.ends_with(&["defaultConfig"]) {
        warning("it has no effect, because `defaultConfigDisable` is set: the match rules alone apply");
    }
    Ok(true)
}

pub(super) fn switch(args: &NamesArgs, on: bool) -> Result<bool> {
    for name in &args.names {
        // Read each time: the previous plug-in may be in the same file.
        let shelf = Shelf::open(&args.place, StageOrder::Mse)?;
        let entry = shelf.find(name)?;
        has_fields(entry, if on { "enabled" } else { "disabled" })?;
        let state = if on { "enabled" } else { "disabled" };
        let mut already = false;
        change(entry, |text, place| {
            let changed = if on { edit::enable(text, place) } else { edit::disable(text, place) };
            match changed {
                Err(EditError::Already(_)) => {
                    already = true;
                    Ok(text.to_owned())
                }
                changed => changed,
            }
        })?;
        let already = if already { " already" } else { "" };
        anstream::println!("{} {name} is {state}{already}, in {}", mark(true), entry.file.display());
    }
    Ok(true)
}

pub(super) fn delete(args: &DeleteArgs) -> Result<bool> {
    let shelf = Shelf::open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    is_alone(entry, "deleted")?;
    if entry.resource.control_plane == ControlPlane::Higress {
        is_disabled(entry, "deleted")?;
    }
    let file = entry.file.display();
    let before = fs::read_to_string(&entry.file).with_context(|| format!("reading {file}"))?;
    match edit::remove(&before, entry.into()).with_context(|| format!("{} in {file}", entry.name))? {
        Some(rest) => edit::write(&entry.file, Some(&before), rest.as_bytes())
            .with_context(|| format!("writing {file}"))?,
        None => fs::remove_file(&entry.file).with_context(|| format!("removing {file}"))?,
    }
    // Delete the copied module, unless another plug-in uses it.
    let url = &entry.resource.spec.url;
    let shared = shelf.content.plugins.iter().filter(|other| &other.resource.spec.url == url).count() > 1;
    let module = shelf.folder.join(MODULES).join(format!("{}.wasm", entry.name));
    if !shared && *url == format!("file://{MODULES}/{}.wasm", entry.name) && module.is_file() {
        fs::remove_file(&module).with_context(|| format!("removing {}", module.display()))?;
    }
    anstream::println!("{} {} is deleted", mark(true), entry.name);
    Ok(true)
}
