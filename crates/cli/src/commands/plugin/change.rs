//! `plugin edit`, `configure`, `enable`, `disable`, `upgrade`, `rollback` and `delete`.

use std::path::PathBuf;

use anyhow::Result;
use gateway::folder::StageOrder;
use marketplace::shelf::Edit;
#[cfg(feature = "engine")]
use marketplace::shelf::Version;

use super::folder::{Outcome, configuration, finish, open};
use super::{Card, Where};
use crate::catalogue::Choice;
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

/// Release a new version of a custom plug-in, which may be enabled
///
/// The old version runs until the gateway has loaded the new one, so no request is lost. `plugin rollback` returns to it.
/// With `--config`, the new module validates this configuration, and otherwise the current one.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpgradeArgs {
    /// The name, or `namespace/name`.
    pub(super) name: String,
    /// The configuration of the new version for requests that match no rule.
    #[arg(long, value_name = "FILE.yaml")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) card: Card,
    #[command(flatten)]
    pub(super) place: Where,
}

/// Return to the version before the last `upgrade`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RollbackArgs {
    /// The name, or `namespace/name`.
    pub(super) name: String,
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

pub(super) fn edit(args: &EditArgs) -> Result<bool> {
    let shelf = open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    let edit = Edit { card: args.card.properties(), module: args.card.module() };
    let done = shelf.edit(entry, &edit, None);
    finish(done, |()| {
        anstream::println!("{} {} is edited, in {}", mark(true), entry.name, entry.file.display());
    })
}

pub(super) fn configure(args: &ConfigureArgs) -> Result<bool> {
    let shelf = open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    let sources = Choice::default().any_sources()?;
    let known = sources.known();
    let plugin = known.deployed(&entry.resource).map(|plugin| (&known, plugin));
    let Outcome::Done(fields) = configuration(plugin, &args.config)? else { return Ok(false) };
    finish(shelf.configure(entry, fields), |without_effect| {
        anstream::println!("{} {} is configured, in {}", mark(true), entry.name, entry.file.display());
        if without_effect {
            warning("it has no effect, because `defaultConfigDisable` is set: the match rules alone apply");
        }
    })
}

pub(super) fn switch(args: &NamesArgs, on: bool) -> Result<bool> {
    for name in &args.names {
        // Read each time: the previous plug-in may be in the same file.
        let shelf = open(&args.place, StageOrder::Mse)?;
        let entry = shelf.find(name)?;
        let state = if on { "enabled" } else { "disabled" };
        let already = if shelf.switch(entry, on)? { "" } else { " already" };
        anstream::println!("{} {name} is {state}{already}, in {}", mark(true), entry.file.display());
    }
    Ok(true)
}

/// Only the engine can validate a configuration with a module.
#[cfg(not(feature = "engine"))]
pub(super) fn upgrade(args: &UpgradeArgs) -> Result<bool> {
    crate::heavy::run(args)
}

#[cfg(feature = "engine")]
pub(super) fn upgrade(args: &UpgradeArgs) -> Result<bool> {
    let shelf = open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    let configuration = match &args.config {
        None => None,
        Some(file) => match configuration(None, file)? {
            Outcome::Done(document) => Some(document),
            Outcome::Rejected => return Ok(false),
        },
    };
    let version = Version {
        module: args.card.wasm.as_deref(),
        image: args.card.url.as_deref(),
        card: args.card.properties(),
        configuration,
    };
    finish(shelf.release(entry, &version, None), |()| {
        anstream::println!("{} {} has a new version, in {}", mark(true), entry.name, entry.file.display());
    })
}

pub(super) fn roll_back(args: &RollbackArgs) -> Result<bool> {
    let shelf = open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    shelf.roll_back(entry)?;
    anstream::println!("{} {} has its previous version, in {}", mark(true), entry.name, entry.file.display());
    Ok(true)
}

pub(super) fn delete(args: &DeleteArgs) -> Result<bool> {
    let shelf = open(&args.place, StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    // A resource of a built-in plug-in is a file of the user, which can be added again.
    shelf.delete(entry, None)?;
    anstream::println!("{} {} is deleted", mark(true), entry.name);
    Ok(true)
}
