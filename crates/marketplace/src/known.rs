//! Known plug-ins: those of a workspace, those of a catalogue, and single modules.

#[cfg(feature = "engine")]
use std::rc::Rc;

use std::fmt;

use anyhow::{Context, Result, bail};
use oci::Catalogue;
use oci::catalogue::Entry;
use resource::names::{canonical, nearest};
use resource::upstream::Evidence;
use resource::{Manifest, WasmPlugin};
use serde_json::Value;
use workspace::describe::{Described, Describer, Refusal as Rejected};
use workspace::{Plugin, Workspace};

#[cfg(feature = "engine")]
use crate::asked::AskedModule;
use crate::{Code, Refusal};

/// A build without the feature `engine` cannot validate with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeedsEngine;

impl fmt::Display for NeedsEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this program is built without the engine that runs modules")
    }
}

impl std::error::Error for NeedsEngine {}

/// Where plug-ins come from.
#[derive(Debug)]
pub struct Sources {
    workspace: Option<Workspace>,
    catalogue: Option<Catalogue>,
}

/// The plug-ins of the sources.
pub struct Known<'s> {
    /// The workspace's own first, so that they take precedence over those of the catalogue.
    pub plugins: Vec<KnownPlugin<'s>>,
    /// Plug-ins that only tests know.
    fixtures: Vec<KnownPlugin<'s>>,
}

/// A plug-in that a command knows.
#[derive(Clone, Copy)]
pub enum KnownPlugin<'s> {
    /// Its source is in the workspace.
    Workspace(&'s Workspace, &'s Plugin),
    /// Its image is in the catalogue.
    Catalogue(&'s Catalogue, &'s Entry),
    /// It is a module of the user.
    #[cfg(feature = "engine")]
    Module(&'s Rc<AskedModule>),
}

/// What answers for a plug-in's configuration.
pub enum Answers {
    /// The plug-in's own types.
    Types(Describer),
    /// The module itself.
    #[cfg(feature = "engine")]
    Module(Rc<AskedModule>),
}

impl Sources {
    /// A workspace, which takes precedence, and a catalogue.
    #[must_use]
    pub fn new(workspace: Option<Workspace>, catalogue: Option<Catalogue>) -> Self {
        Self { workspace, catalogue }
    }

    /// Whether there is neither a workspace nor a catalogue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.workspace.is_none() && self.catalogue.is_none()
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> Option<&Workspace> {
        self.workspace.as_ref()
    }

    /// The catalogue.
    #[must_use]
    pub fn catalogue(&self) -> Option<&Catalogue> {
        self.catalogue.as_ref()
    }

    /// The plug-ins of both.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        let mut known = self
            .workspace
            .as_ref()
            .map(Known::of)
            .unwrap_or(Known { plugins: Vec::new(), fixtures: Vec::new() });
        if let Some(catalogue) = &self.catalogue {
            for entry in &catalogue.index().plugins {
                if known.plugins.iter().all(|plugin| plugin.name() != entry.name) {
                    known.plugins.push(KnownPlugin::Catalogue(catalogue, entry));
                }
            }
        }
        known
    }
}

impl<'s> Known<'s> {
    /// The plug-ins of a workspace.
    pub fn of(workspace: &'s Workspace) -> Self {
        let of = |plugins: &'s [Plugin]| {
            plugins.iter().map(|plugin| KnownPlugin::Workspace(workspace, plugin)).collect()
        };
        Self { plugins: of(&workspace.plugins), fixtures: of(&workspace.fixtures) }
    }

    /// One plug-in of a catalogue.
    pub fn of_entry(catalogue: &'s Catalogue, entry: &'s Entry) -> Self {
        Self { plugins: vec![KnownPlugin::Catalogue(catalogue, entry)], fixtures: Vec::new() }
    }

    /// A module of the user.
    #[cfg(feature = "engine")]
    pub fn of_module(module: &'s Rc<AskedModule>) -> Self {
        Self { plugins: vec![KnownPlugin::Module(module)], fixtures: Vec::new() }
    }

    /// The plug-in of this name; case and `-`/`_` do not matter.
    ///
    /// # Errors
    ///
    /// There is none, with the nearest name.
    pub fn plugin(&self, name: &str) -> Result<KnownPlugin<'s>> {
        if let Some(plugin) = self.get(name) {
            return Ok(plugin);
        }
        // A workspace knows its unfinished plug-ins, too.
        if let Some(KnownPlugin::Workspace(workspace, _)) = self.plugins.first()
            && let Err(error) = workspace.plugin(name)
        {
            return Err(error.into());
        }
        let hint = nearest(name, self.plugins.iter().map(KnownPlugin::name))
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let remedy = format!("{hint}(known plug-ins: {})", self.list());
        bail!(
            Refusal::new(Code::PluginUnknown, format!("unknown plug-in `{name}`"), remedy).with("name", name)
        )
    }

    /// The same, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<KnownPlugin<'s>> {
        let name = canonical(name);
        self.plugins.iter().chain(&self.fixtures).find(|plugin| plugin.name() == name).copied()
    }

    /// The plug-in that a resource names.
    pub fn named(&self, resource: &WasmPlugin) -> Option<KnownPlugin<'s>> {
        let named = resource.named(|name| self.get(name).is_some())?;
        self.get(&named.name)
    }

    /// The plug-in that a resource's module is one of: by its annotation or its `url`, not by a name that anyone may choose.
    pub fn deployed(&self, resource: &WasmPlugin) -> Option<KnownPlugin<'s>> {
        let named = resource.named(|name| self.get(name).is_some())?;
        matches!(named.evidence, Evidence::Annotation | Evidence::Url)
            .then(|| self.get(&named.name))
            .flatten()
    }

    /// The names, for messages.
    pub fn list(&self) -> String {
        self.plugins.iter().map(KnownPlugin::name).collect::<Vec<_>>().join(", ")
    }
}

impl<'s> KnownPlugin<'s> {
    /// The name.
    pub fn name(&self) -> &'s str {
        match self {
            Self::Workspace(_, plugin) => &plugin.name,
            Self::Catalogue(_, entry) => &entry.name,
            #[cfg(feature = "engine")]
            Self::Module(module) => &module.name,
        }
    }

    /// Returns true for a module whose errors may be texts without a place.
    pub fn is_foreign(&self) -> bool {
        #[cfg(feature = "engine")]
        let is_foreign = matches!(self, Self::Module(_));
        #[cfg(not(feature = "engine"))]
        let is_foreign = false;
        is_foreign
    }

    /// Returns true for the classic style, whose configuration only its own code knows.
    pub fn is_classic(&self) -> bool {
        matches!(self, Self::Workspace(_, plugin) if plugin.classic)
    }

    /// The description. A plug-in of the catalogue has no budget in it.
    pub fn manifest(&self) -> Result<Manifest> {
        match self {
            Self::Workspace(_, plugin) => Ok(plugin.manifest()?),
            Self::Catalogue(_, entry) => entry
                .manifest()
                .with_context(|| format!("the catalogue's entry of {} is not valid", entry.name)),
            #[cfg(feature = "engine")]
            Self::Module(module) => bail!("{} has no plugin.yaml", module.name),
        }
    }

    /// Returns what answers for the configuration.
    pub fn answers(&self) -> Result<Answers> {
        match self {
            Self::Workspace(workspace, plugin) => Ok(Answers::Types(describer(workspace, plugin)?)),
            #[cfg(feature = "engine")]
            Self::Catalogue(catalogue, entry) => {
                let layout = catalogue.layout(entry)?;
                let image = oci::Reader::Fetcher.image(&layout, layout.top()?)?;
                let module = oci::Reader::Fetcher.module(&layout, &image.manifest)?;
                let schema = layout.schema(&image.manifest);
                Ok(Answers::Module(Rc::new(AskedModule::new(&entry.name, &module, schema)?)))
            }
            #[cfg(feature = "engine")]
            Self::Module(module) => Ok(Answers::Module(Rc::clone(module))),
            #[cfg(not(feature = "engine"))]
            Self::Catalogue(..) => Err(NeedsEngine.into()),
        }
    }
}

/// Returns the helper that describes a plug-in.
///
/// # Errors
///
/// The plug-in has the classic style, or does not compile.
pub fn describer(workspace: &Workspace, plugin: &Plugin) -> Result<Describer> {
    match workspace.describe(plugin)? {
        Described::Typed(describer) => Ok(describer),
        Described::Classic => bail!(
            Refusal::new(
                Code::PluginElsewhere,
                format!(
                    "{} has the classic style, so only its own code knows its configuration",
                    plugin.name
                ),
                format!(
                    "write one into {} and run `cargo xtask test {}`",
                    plugin.shown.join("tests/cases.yaml").display(),
                    plugin.name
                )
            )
            .with("name", &plugin.name)
        ),
    }
}

impl Answers {
    /// Everything that the plug-in rejects in a document.
    pub fn check(&self, document: &Value) -> Result<Vec<Rejected>> {
        match self {
            Self::Types(describer) => Ok(describer.check(document)?),
            #[cfg(feature = "engine")]
            Self::Module(module) => {
                let refusal = |error: config::ConfigError| Rejected {
                    path: error.path().to_owned(),
                    message: error.message().to_owned(),
                };
                Ok(module.errors(document)?.into_iter().map(refusal).collect())
            }
        }
    }

    /// What is strange in a document that the plug-in accepts.
    #[cfg_attr(not(feature = "engine"), expect(unused_variables, reason = "only modules are asked"))]
    pub fn remarks(&self, document: &Value) -> Vec<config::ConfigError> {
        match self {
            Self::Types(_) => Vec::new(),
            #[cfg(feature = "engine")]
            Self::Module(module) => module.remarks(document),
        }
    }

    /// The schema of the plug-in's fields (OpenAPI v3).
    pub fn schema(&self) -> Result<Value> {
        match self {
            Self::Types(describer) => Ok(describer.schema()?),
            #[cfg(feature = "engine")]
            Self::Module(module) => Ok(module.schema.clone().unwrap_or_default()),
        }
    }

    /// Returns true if a rule inherits the global fields that it does not set. A module does not tell.
    pub fn rules_start_from_global(&self) -> Result<Option<bool>> {
        match self {
            Self::Types(describer) => Ok(Some(describer.rules_start_from_global()?)),
            #[cfg(feature = "engine")]
            Self::Module(_) => Ok(None),
        }
    }
}
