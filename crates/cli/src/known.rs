//! The plug-ins that a command knows: those of the workspace that it is run in, and those of the catalogue.

#[cfg(feature = "engine")]
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use oci::Catalogue;
use oci::catalogue::Entry;
use resource::names::{canonical, nearest};
use resource::upstream::Evidence;
use resource::{Manifest, WasmPlugin};
use serde_json::Value;
use workspace::describe::{Describer, Refusal};
use workspace::{Plugin, Workspace};

#[cfg(feature = "engine")]
use crate::asked::AskedModule;
use crate::catalogue::Choice;
use crate::{Usage, open};

/// Where plug-ins come from.
pub(crate) struct Sources {
    workspace: Option<Workspace>,
    catalogue: Option<Catalogue>,
}

/// The plug-ins of the sources.
pub(crate) struct Known<'s> {
    /// The workspace's own first, so that they take precedence over those of the catalogue.
    pub(crate) plugins: Vec<KnownPlugin<'s>>,
    /// Plug-ins that only tests know.
    fixtures: Vec<KnownPlugin<'s>>,
}

/// A plug-in that a command knows.
#[derive(Clone, Copy)]
pub(crate) enum KnownPlugin<'s> {
    /// Its source is in the workspace.
    Workspace(&'s Workspace, &'s Plugin),
    /// Its image is in the catalogue.
    #[cfg_attr(not(feature = "engine"), expect(dead_code, reason = "only the engine can ask an image"))]
    Catalogue(&'s Catalogue, &'s Entry),
    /// It is a module of the user.
    #[cfg(feature = "engine")]
    Module(&'s Rc<AskedModule>),
}

/// What answers for a plug-in's configuration.
pub(crate) enum Answers {
    /// The plug-in's own types.
    Types(Describer),
    /// The module itself.
    #[cfg(feature = "engine")]
    Module(Rc<AskedModule>),
}

impl Sources {
    /// The workspace of the current folder, if there is one, and the catalogue, if there is one.
    ///
    /// # Errors
    ///
    /// There is neither, or one cannot be read.
    pub(crate) fn open(choice: &Choice) -> Result<Self> {
        let sources = Self::open_any(choice)?;
        if sources.workspace.is_none() && sources.catalogue.is_none() {
            bail!(
                "there are no plug-ins here: run the command in a workspace of plug-ins, or name a catalogue with \
                 --catalogue or {}",
                crate::catalogue::VARIABLE
            );
        }
        Ok(sources)
    }

    /// The same, possibly with neither.
    ///
    /// # Errors
    ///
    /// One cannot be read.
    pub(crate) fn open_any(choice: &Choice) -> Result<Self> {
        let workspace = open::workspace_here()?;
        #[cfg(feature = "engine")]
        let catalogue = choice.open()?;
        // Without the engine, there is no asking an image.
        #[cfg(not(feature = "engine"))]
        let catalogue = if choice.is_given() { crate::heavy::replace()? } else { None };
        Ok(Self { workspace, catalogue })
    }

    /// The plug-ins of both.
    pub(crate) fn known(&self) -> Known<'_> {
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
    pub(crate) fn of(workspace: &'s Workspace) -> Self {
        let of = |plugins: &'s [Plugin]| {
            plugins.iter().map(|plugin| KnownPlugin::Workspace(workspace, plugin)).collect()
        };
        Self { plugins: of(&workspace.plugins), fixtures: of(&workspace.fixtures) }
    }

    /// One plug-in of a catalogue.
    pub(crate) fn of_entry(catalogue: &'s Catalogue, entry: &'s Entry) -> Self {
        Self { plugins: vec![KnownPlugin::Catalogue(catalogue, entry)], fixtures: Vec::new() }
    }

    /// A module of the user.
    #[cfg(feature = "engine")]
    pub(crate) fn of_module(module: &'s Rc<AskedModule>) -> Self {
        Self { plugins: vec![KnownPlugin::Module(module)], fixtures: Vec::new() }
    }

    /// The plug-in of this name; case and `-`/`_` do not matter.
    ///
    /// # Errors
    ///
    /// There is none, with the nearest name.
    pub(crate) fn plugin(&self, name: &str) -> Result<KnownPlugin<'s>> {
        if let Some(plugin) = self.get(&canonical(name)) {
            return Ok(plugin);
        }
        // A workspace knows its unfinished plug-ins, too.
        if let Some(KnownPlugin::Workspace(workspace, _)) = self.plugins.first()
            && let Err(error) = workspace.plugin(name)
        {
            return Err(error.into());
        }
        let hint = nearest(name, self.plugins.iter().map(KnownPlugin::name))
            .map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        bail!(Usage(format!("unknown plug-in `{name}`{hint} (known plug-ins: {})", self.list())))
    }

    fn get(&self, name: &str) -> Option<KnownPlugin<'s>> {
        self.plugins.iter().chain(&self.fixtures).find(|plugin| plugin.name() == name).copied()
    }

    /// The plug-in that a resource names.
    pub(crate) fn named(&self, resource: &WasmPlugin) -> Option<KnownPlugin<'s>> {
        let named = resource.named(|name| self.get(name).is_some())?;
        self.get(&named.name)
    }

    /// The plug-in that a resource's module is one of: by its annotation or its `url`, not by a name that anyone may choose.
    pub(crate) fn deployed(&self, resource: &WasmPlugin) -> Option<KnownPlugin<'s>> {
        let named = resource.named(|name| self.get(name).is_some())?;
        matches!(named.evidence, Evidence::Annotation | Evidence::Url)
            .then(|| self.get(&named.name))
            .flatten()
    }

    /// The names, for messages.
    pub(crate) fn list(&self) -> String {
        self.plugins.iter().map(KnownPlugin::name).collect::<Vec<_>>().join(", ")
    }
}

impl<'s> KnownPlugin<'s> {
    /// The name.
    pub(crate) fn name(&self) -> &'s str {
        match self {
            Self::Workspace(_, plugin) => &plugin.name,
            Self::Catalogue(_, entry) => &entry.name,
            #[cfg(feature = "engine")]
            Self::Module(module) => &module.name,
        }
    }

    /// Returns true for a module whose errors may be texts without a place.
    pub(crate) fn is_foreign(&self) -> bool {
        #[cfg(feature = "engine")]
        let is_foreign = matches!(self, Self::Module(_));
        #[cfg(not(feature = "engine"))]
        let is_foreign = false;
        is_foreign
    }

    /// Returns true for the classic style, whose configuration only its own code knows.
    pub(crate) fn is_classic(&self) -> bool {
        matches!(self, Self::Workspace(_, plugin) if plugin.classic)
    }

    /// The description. A plug-in of the catalogue has no budget in it.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
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
    pub(crate) fn answers(&self) -> Result<Answers> {
        match self {
            Self::Workspace(workspace, plugin) => Ok(Answers::Types(open::describer(workspace, plugin)?)),
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
            Self::Catalogue(..) => crate::heavy::replace(),
        }
    }
}

impl Answers {
    /// Everything that the plug-in rejects in a document.
    pub(crate) fn check(&self, document: &Value) -> Result<Vec<Refusal>> {
        match self {
            Self::Types(describer) => Ok(describer.check(document)?),
            #[cfg(feature = "engine")]
            Self::Module(module) => {
                let refusal = |error: config::ConfigError| Refusal {
                    path: error.path().to_owned(),
                    message: error.message().to_owned(),
                };
                Ok(module.errors(document)?.into_iter().map(refusal).collect())
            }
        }
    }

    /// The schema of the plug-in's fields (OpenAPI v3).
    pub(crate) fn schema(&self) -> Result<Value> {
        match self {
            Self::Types(describer) => Ok(describer.schema()?),
            #[cfg(feature = "engine")]
            Self::Module(module) => Ok(module.schema.clone().unwrap_or_default()),
        }
    }

    /// Returns true if a rule inherits the global fields that it does not set. A module does not tell.
    pub(crate) fn rules_start_from_global(&self) -> Result<Option<bool>> {
        match self {
            Self::Types(describer) => Ok(Some(describer.rules_start_from_global()?)),
            #[cfg(feature = "engine")]
            Self::Module(_) => Ok(None),
        }
    }
}
