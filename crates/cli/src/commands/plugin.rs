//! `plugin`: a console's plug-in marketplace, as files and commands.
//!
//! The rules are the console's: names are unique, a custom plug-in is edited and deleted only while it is disabled, and
//! one of this workspace is configured only. Every change replaces a file whole, so `serve` may be running.

mod add;
mod change;
mod shelf;
mod show;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Result, bail};
use gateway::folder::StageOrder;
use resource::Stage;

use crate::Usage;

/// Add, list, enable, disable, edit and delete the plug-ins of a gateway's folder
///
/// The folder holds WasmPlugin resources, as `kubectl apply -f` takes them; `cargo xtask serve` runs it. A disabled
/// plug-in is one that a cluster does not run either. Every command may be given while `serve` runs.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  cargo xtask plugin add request-block        a plug-in of this workspace, with its example as configuration
  cargo xtask plugin add mine --wasm mine.wasm --language Go --description 'Checks tokens' --stage authn
  cargo xtask plugin configure mine mine.yaml
  cargo xtask plugin disable mine && cargo xtask plugin edit mine --wasm new.wasm
  cargo xtask plugin list                     in the order in which a request meets them

Exit codes: 0 it was done, 1 it was refused, or a file of the folder is wrong, 2 the command was wrong.")]
pub(crate) enum Command {
    Add(add::Args),
    Edit(change::EditArgs),
    Configure(change::ConfigureArgs),
    Enable(change::NamesArgs),
    #[command(name = "disable", about = "Disable plug-ins: a cluster would not run them either", long_about = None)]
    Disable(change::NamesArgs),
    Delete(change::DeleteArgs),
    List(show::ListArgs),
    Show(show::ShowArgs),
}

/// What the console has of a plug-in: its module, and what its card shows.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Card {
    /// The module of a custom plug-in.
    #[arg(long, value_name = "FILE.wasm")]
    pub(crate) wasm: Option<PathBuf>,
    /// Where the module is published: `oci://`, `http://` or `https://`. A cluster takes it from there.
    #[arg(long, conflicts_with = "wasm")]
    pub(crate) url: Option<String>,
    /// A short sentence, as a console's card shows it.
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// The language that it is written in.
    #[arg(long)]
    pub(crate) language: Option<String>,
    /// The name for people.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// The stage that it runs in; of a new one the manifest's, or `default`.
    #[arg(long, value_enum)]
    pub(crate) stage: Option<Stage>,
    /// Its place in the stage, a multiple of 10: a larger one runs first. Of a new one the manifest's, or 0.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) priority: Option<i32>,
}

/// Which folder.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Where {
    /// The folder of the gateway.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

/// The order of stages.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Order {
    /// authz, authn, stats, default.
    Mse,
    /// authn, authz, stats, default.
    Istio,
}

impl From<Order> for StageOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Mse => Self::Mse,
            Order::Istio => Self::Istio,
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<bool> {
    match command {
        Command::Add(args) => add::run(args),
        Command::Edit(args) => change::edit(args),
        Command::Configure(args) => change::configure(args),
        Command::Enable(args) => change::switch(args, true),
        Command::Disable(args) => change::switch(args, false),
        Command::Delete(args) => change::delete(args),
        Command::List(args) => show::list(args),
        Command::Show(args) => show::show(args),
    }
}

/// Refuses what the console refuses as a custom priority.
fn check_priority(priority: i32) -> Result<()> {
    if priority % 10 != 0 {
        let down = priority - priority.rem_euclid(10);
        bail!(Usage(format!(
            "the priority {priority} is no multiple of 10, and the console takes no other: write {down} or {}",
            down.saturating_add(10)
        )));
    }
    Ok(())
}
