//! `plugin add`: creates a resource in a new file, and copies the module of a custom plug-in.

use std::path::PathBuf;

use anyhow::Result;
use gateway::folder::StageOrder;
use marketplace::Sources;
use marketplace::shelf::{Added, Addition, Kind};

use super::folder::{Outcome, configuration, finish, open};
use super::{Card, Where};
use crate::catalogue::Choice;
use crate::output::{mark, warning};
use crate::program;

/// Add a plug-in: one of this workspace or of the catalogue by its name, or a module
///
/// A custom plug-in needs a unique name, a description, a language and a `.wasm` file of at most 50 MB, as in the console.
/// The file is checked and copied into the folder. The plug-in is initially disabled, as in the console.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The name of a plug-in of this workspace or of the catalogue, or a new one.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) card: Card,
    /// Configuration for requests that match no rule. [default: the example of the manifest, if there is one]
    #[arg(long, value_name = "FILE.yaml")]
    pub(super) config: Option<PathBuf>,
    /// Enable the plug-in.
    #[arg(long)]
    pub(super) enable: bool,
    #[command(flatten)]
    pub(super) catalogue: Choice,
    #[command(flatten)]
    pub(super) place: Where,
}

pub(super) fn run(args: &Args) -> Result<bool> {
    let shelf = open(&args.place, StageOrder::Mse)?;
    let sources = args.sources()?;
    let mut addition = Addition {
        name: args.name.clone(),
        card: args.card.properties(),
        module: args.card.module(),
        configuration: None,
        enabled: args.enable,
    };
    if let Some(first) = shelf.problems(&addition, &sources).into_iter().next() {
        return Err(first.into());
    }
    if let Some(file) = &args.config {
        let known = sources.known();
        let plugin = match args.card.wasm {
            None => known.get(&args.name).map(|plugin| (&known, plugin)),
            Some(_) => None,
        };
        // Before the standard input is read.
        #[cfg(not(feature = "engine"))]
        if matches!(plugin, Some((_, marketplace::KnownPlugin::Catalogue(..)))) {
            return crate::heavy::replace();
        }
        let Outcome::Done(document) = configuration(plugin, file)? else { return Ok(false) };
        addition.configuration = Some(document);
    }
    finish(shelf.add(&addition, &sources), |added| args.tell(&added, &sources))
}

impl Args {
    /// Without a catalogue if the plug-in is one of the workspace, or has a module.
    fn sources(&self) -> Result<Sources> {
        let workspace = crate::open::workspace_here()?;
        let is_own = workspace.as_ref().is_some_and(|workspace| workspace.plugin(&self.name).is_ok());
        let catalogue = if is_own || self.card.wasm.is_some() { None } else { self.catalogue.open()? };
        Ok(Sources::new(workspace, catalogue))
    }

    fn tell(&self, added: &Added, sources: &Sources) {
        let Added { name, file, kind } = added;
        let state = if self.enable { "enabled" } else { "disabled" };
        anstream::println!("{} {name} is {state}, in {}", mark(true), file.display());
        if !self.enable {
            let remedy = format!("  enable it with `cargo xtask plugin enable {name}`");
            anstream::println!("{}", program::text(&remedy));
        }
        if *kind != Kind::Custom && self.enable && self.config.is_none() {
            warning(format_args!(
                "it runs with its example configuration, which acts on real requests: `cargo xtask plugin configure {name} \
                 <file>` replaces the configuration, `cargo xtask plugin disable {name}` disables the plug-in"
            ));
        }
        if self.card.url.is_some() {
            return;
        }
        match kind {
            Kind::Custom => {}
            Kind::Workspace => warning(format_args!(
                "a cluster cannot fetch `workspace:`: `cargo xtask push {name}` its image, and name it with `cargo xtask \
                 plugin edit {name} --url oci://…`"
            )),
            Kind::Catalogue => {
                let catalogue = sources.catalogue().filter(|catalogue| catalogue.index().registry.is_none());
                if let Some(entry) = catalogue.and_then(|catalogue| catalogue.find(name, None)) {
                    warning(format_args!(
                        "the catalogue does not name a registry, which a cluster needs: `cargo xtask plugin edit {name} \
                         --url oci://<your registry>/plugins/{name}:{}`",
                        entry.version
                    ));
                }
            }
        }
    }
}
