//! `plugin`: manages the plug-ins of a folder by the rules of the MSE console.
//!
//! Names are unique, a custom plug-in must be disabled to be edited or deleted, and a plug-in of this workspace can only be
//! configured. Every change replaces a file atomically, so `serve` may be running.

mod add;
mod change;
mod folder;
mod show;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::Result;
use gateway::folder::StageOrder;
use marketplace::shelf::{self, Module};
use resource::Stage;

/// Add, list, enable, disable, edit and delete the plug-ins of a folder
///
/// The folder contains WasmPlugin resources, as for `kubectl apply -f`, and can be run by `cargo xtask serve`. A disabled
/// plug-in does not run in a cluster either. All commands may be used while `serve` is running.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  cargo xtask plugin add request-block             of the workspace or catalogue, with its example
  cargo xtask plugin add mine --wasm mine.wasm --language Go --description Greets
                                                   a module of your own
  cargo xtask plugin configure mine mine.yaml && cargo xtask plugin enable mine
  cargo xtask plugin upgrade mine --wasm new.wasm  while it is enabled; `rollback` returns
  cargo xtask plugin list                          in the order of requests

Exit codes: 0 done, 1 rejected, or a file of the folder is invalid, 2 usage error.")]
pub(crate) enum Command {
    Add(add::Args),
    Edit(change::EditArgs),
    Configure(change::ConfigureArgs),
    Enable(change::NamesArgs),
    #[command(name = "disable", about = "Disable plug-ins, also for a cluster", long_about = None)]
    Disable(change::NamesArgs),
    Upgrade(change::UpgradeArgs),
    Rollback(change::RollbackArgs),
    Delete(change::DeleteArgs),
    List(show::ListArgs),
    Show(show::ShowArgs),
}

/// The properties of a plug-in in the console.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Card {
    /// The module of a custom plug-in.
    #[arg(long, value_name = "FILE.wasm")]
    pub(crate) wasm: Option<PathBuf>,
    /// The URL that a cluster fetches the module from: `oci://`, `http://` or `https://`.
    #[arg(long, conflicts_with = "wasm")]
    pub(crate) url: Option<String>,
    /// A short description for the console.
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// The programming language of the plug-in.
    #[arg(long)]
    pub(crate) language: Option<String>,
    /// The display name.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// The stage. [default for a new plug-in: that of its manifest, or `default`]
    #[arg(long, value_enum)]
    pub(crate) stage: Option<Stage>,
    /// The priority in the stage, a multiple of 10; larger ones run first. [default for a new plug-in: that of its manifest, or
    /// 0]
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) priority: Option<i32>,
}

impl Card {
    fn properties(&self) -> shelf::Card {
        let Self { wasm: _, url: _, description, language, title, stage, priority } = self.clone();
        shelf::Card { title, description, language, stage, priority }
    }

    fn module(&self) -> Option<Module> {
        let file = self.wasm.clone().map(Module::File);
        file.or_else(|| self.url.clone().map(Module::Url))
    }
}

/// The folder.
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
        Command::Upgrade(args) => change::upgrade(args),
        Command::Rollback(args) => change::roll_back(args),
        Command::Delete(args) => change::delete(args),
        Command::List(args) => show::list(args),
        Command::Show(args) => show::show(args),
    }
}
