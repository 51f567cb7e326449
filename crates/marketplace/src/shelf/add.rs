//! Adding a plug-in: a resource in a new file, and the module of a custom plug-in.

use std::path::PathBuf;

use anyhow::Context;
use gateway::folder::edit;
use oci::Catalogue;
use oci::catalogue::Entry;
use resource::annotation::{DESCRIPTION, LANGUAGE, SOURCE, TITLE, WORKSPACE};
use resource::names::{canonical, nearest};
use resource::{Object, Spec, WasmPlugin, yaml};
use serde_json::json;
use workspace::Plugin;

use super::{Card, Module, Shelf, check_name, check_priority, check_url, module};
use crate::{Code, Refusal, Result, Sources};

/// The namespace of plug-ins in Higress.
const NAMESPACE: &str = "higress-system";

/// A plug-in to add.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The name of a plug-in of the workspace or the catalogue, or a new one.
    pub name: String,
    /// The properties. For a custom plug-in, a description and a language are required; for a built-in plug-in, they are
    /// its own.
    pub card: Card,
    /// The module. A built-in plug-in may have a URL for clusters.
    pub module: Option<Module>,
    /// The configuration, already validated. [default: the example of a built-in plug-in, nothing for a custom one]
    pub configuration: Option<Object>,
    /// Whether the plug-in is enabled from the start.
    pub enabled: bool,
}

/// What has been added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The name of the resource.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// What it is a resource of.
    pub kind: Kind,
}

/// Where a plug-in is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The workspace.
    Workspace,
    /// The catalogue.
    Catalogue,
    /// A module of the user.
    Custom,
}

/// What an addition is of.
enum Origin<'s> {
    Workspace(&'s Plugin),
    Catalogue(&'s Catalogue, &'s Entry),
    Custom,
}

impl Addition {
    fn origin<'s>(&self, sources: &'s Sources) -> Origin<'s> {
        if let Some(plugin) =
            sources.workspace().and_then(|workspace| workspace.plugin(&canonical(&self.name)).ok())
        {
            return Origin::Workspace(plugin);
        }
        // A module of one's own may have a name of the catalogue.
        if !matches!(self.module, Some(Module::File(_)))
            && let Some(catalogue) = sources.catalogue()
            && let Some(entry) = catalogue.find(&canonical(&self.name), None)
        {
            return Origin::Catalogue(catalogue, entry);
        }
        Origin::Custom
    }
}

impl Shelf {
    /// Everything that is wrong with an addition, except its module, whose checks take longer.
    #[must_use]
    pub fn problems(&self, addition: &Addition, sources: &Sources) -> Vec<Refusal> {
        let origin = addition.origin(sources);
        let mut problems = Vec::new();
        let name = match origin {
            Origin::Workspace(plugin) => &plugin.name,
            Origin::Catalogue(_, entry) => &entry.name,
            Origin::Custom => &addition.name,
        };
        let file = self.folder.join(format!("{name}.yaml"));
        if let Err(refusal) = check_name(name) {
            problems.push(refusal);
        } else if let Some(other) = self.content.plugins.iter().find(|entry| &entry.name == name) {
            let what =
                format!("duplicate plug-in `{name}` (already in {}:{})", other.file.display(), other.line);
            let refusal = Refusal::new(Code::NameTaken, what, "choose another name");
            problems.push(refusal.with("name", name).with("file", other.file.display()));
        } else if file.exists() {
            let what = format!("{} already exists", file.display());
            let refusal = Refusal::new(Code::NameTaken, what, "choose another name, or move the file");
            problems.push(refusal.with("name", name).with("file", file.display()));
        }
        if let Some(Err(refusal)) = addition.card.priority.map(check_priority) {
            problems.push(refusal);
        }
        if let Some(Module::Url(url)) = &addition.module
            && let Err(refusal) = check_url(url)
        {
            problems.push(refusal);
        }
        match origin {
            Origin::Custom => problems.extend(addition.missing(sources)),
            Origin::Workspace(plugin) => {
                if matches!(addition.module, Some(Module::File(_))) {
                    let what = format!("`{}` is a plug-in of this workspace", plugin.name);
                    let refusal = Refusal::new(Code::NameTaken, what, "choose another name for the module");
                    problems.push(refusal.with("name", &plugin.name));
                }
                problems.extend(addition.own_texts(&plugin.name, true));
            }
            Origin::Catalogue(_, entry) => problems.extend(addition.own_texts(&entry.name, false)),
        }
        problems
    }

    /// Adds a plug-in.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], or a file cannot be written. Nothing has been added then.
    pub fn add(&self, addition: &Addition, sources: &Sources) -> Result<Added> {
        if let Some(first) = self.problems(addition, sources).into_iter().next() {
            return Err(first.into());
        }
        let (kind, name, resource) = match addition.origin(sources) {
            Origin::Workspace(plugin) => {
                (Kind::Workspace, plugin.name.clone(), of_workspace(addition, plugin)?)
            }
            Origin::Catalogue(catalogue, entry) => {
                (Kind::Catalogue, entry.name.clone(), of_catalogue(addition, catalogue, entry)?)
            }
            Origin::Custom => (Kind::Custom, addition.name.clone(), self.custom(addition)?),
        };
        let url = resource.spec.url.clone();
        let file = self.folder.join(format!("{name}.yaml"));
        if let Err(error) = write(&resource, addition.enabled, &file) {
            module::remove(&self.folder, &name, &url)?;
            return Err(error);
        }
        Ok(Added { name, file, kind })
    }

    fn custom(&self, addition: &Addition) -> Result<WasmPlugin> {
        let name = &addition.name;
        let url = match &addition.module {
            Some(Module::File(file)) => {
                module::put(&self.folder, &format!("{name}.wasm"), &module::checked(name, file)?)?
            }
            Some(Module::Url(url)) => url.clone(),
            None => String::new(),
        };
        let Card { title, description, language, stage, priority } = &addition.card;
        let mut annotations = Object::new();
        annotations.insert(TITLE.into(), title.as_ref().unwrap_or(name).as_str().into());
        annotations.insert(DESCRIPTION.into(), description.clone().unwrap_or_default().into());
        annotations.insert(LANGUAGE.into(), language.clone().unwrap_or_default().into());
        let spec = Spec {
            url,
            phase: stage.unwrap_or_default(),
            priority: priority.unwrap_or_default(),
            ..Spec::default()
        };
        let configuration = addition.configuration.clone().unwrap_or_default();
        Ok(resource(name, annotations, spec, &configuration))
    }
}

impl Addition {
    /// The properties that a custom plug-in lacks.
    fn missing(&self, sources: &Sources) -> Vec<Refusal> {
        let mut missing = Vec::new();
        if self.module.is_none() {
            let known = known(sources);
            let list =
                if known.is_empty() { "none; there is no catalogue".to_owned() } else { known.join(", ") };
            let hint = nearest(&self.name, known.iter().copied());
            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let what = format!("unknown plug-in `{}` (known: {list})", self.name);
            let remedy = format!("name its module with `--wasm` or `--url`{hint}");
            missing.push(Refusal::new(Code::ModuleMissing, what, remedy).with("name", &self.name));
        }
        for (text, code, what, remedy) in [
            (
                &self.card.description,
                Code::DescriptionMissing,
                "a custom plug-in needs a description",
                "add `--description 'What it does'`",
            ),
            (
                &self.card.language,
                Code::LanguageMissing,
                "a custom plug-in needs its programming language",
                "add `--language Go`",
            ),
        ] {
            if text.as_deref().is_none_or(|text| text.trim().is_empty()) {
                missing.push(Refusal::new(code, what, remedy));
            }
        }
        missing
    }

    /// Texts that a built-in plug-in has itself.
    fn own_texts(&self, name: &str, title: bool) -> Option<Refusal> {
        let card = &self.card;
        let given = [
            (card.description.is_some(), "--description"),
            (card.language.is_some(), "--language"),
            (card.title.is_some() && title, "--title"),
        ];
        let (_, option) = given.into_iter().find(|(given, _)| *given)?;
        let what = format!("the {option} of {name} is that of the plug-in itself");
        Some(Refusal::new(Code::FieldOfPlugin, what, "leave it out").with("name", name).with("field", option))
    }
}

/// A plug-in of the workspace.
fn of_workspace(addition: &Addition, plugin: &Plugin) -> Result<WasmPlugin> {
    let manifest = plugin.manifest().map_err(anyhow::Error::from)?;
    let mut annotations = Object::new();
    annotations.insert(TITLE.into(), manifest.title.as_str().into());
    annotations.insert(DESCRIPTION.into(), manifest.description.as_str().into());
    annotations.insert(LANGUAGE.into(), "Rust".into());
    let url = match &addition.module {
        Some(Module::Url(url)) => {
            annotations.insert(SOURCE.into(), plugin.name.as_str().into());
            url.clone()
        }
        _ => format!("{WORKSPACE}{}", plugin.name),
    };
    let spec = Spec {
        url,
        phase: addition.card.stage.unwrap_or(manifest.stage),
        priority: addition.card.priority.unwrap_or(manifest.priority),
        fail_strategy: manifest.fail_strategy,
        ..Spec::default()
    };
    let configuration = addition.configuration.as_ref().unwrap_or(&manifest.example);
    Ok(resource(&plugin.name, annotations, spec, configuration))
}

/// A plug-in of the catalogue.
fn of_catalogue(addition: &Addition, catalogue: &Catalogue, entry: &Entry) -> Result<WasmPlugin> {
    let card = &addition.card;
    let mut annotations = Object::new();
    annotations.insert(TITLE.into(), card.title.as_deref().unwrap_or(entry.title()).into());
    annotations.insert(DESCRIPTION.into(), entry.description().into());
    annotations.insert(LANGUAGE.into(), "Rust".into());
    let url = match &addition.module {
        Some(Module::Url(url)) => url.clone(),
        _ => catalogue.reference(entry),
    };
    let spec = json!({ "url": url, "phase": entry.phase, "failStrategy": entry.fail_strategy });
    let spec: Spec = serde_json::from_value(spec)
        .with_context(|| format!("the catalogue's entry of {} is not valid", entry.name))?;
    let spec = Spec {
        phase: card.stage.unwrap_or(spec.phase),
        priority: card.priority.unwrap_or(entry.priority),
        ..spec
    };
    let configuration = addition.configuration.as_ref().unwrap_or(&entry.example);
    Ok(resource(&entry.name, annotations, spec, configuration))
}

/// The names of the plug-ins that can be added without a module.
fn known(sources: &Sources) -> Vec<&str> {
    let own = sources.workspace().into_iter().flat_map(|workspace| &workspace.plugins);
    let listed = sources.catalogue().into_iter().flat_map(|catalogue| &catalogue.index().plugins);
    let names: std::collections::BTreeSet<&str> =
        own.map(|plugin| plugin.name.as_str()).chain(listed.map(|entry| entry.name.as_str())).collect();
    names.into_iter().collect()
}

fn write(resource: &WasmPlugin, enabled: bool, file: &std::path::Path) -> Result<()> {
    let value = serde_json::to_value(resource).context("writing the resource")?;
    let mut text = yaml::write(&value).context("writing the resource")?;
    if !enabled {
        text = edit::disable(&text, edit::Place::default()).context("disabling the resource")?;
    }
    super::write(file, None, text.as_bytes())
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
