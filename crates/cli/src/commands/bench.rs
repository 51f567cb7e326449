//! `bench`: started as the program that it is, because it needs an interpreter of modules, which is no part of a
//! newcomer's first build.

use anyhow::Result;

use crate::registry::program;
use crate::workspace::Workspace;

/// Measure what plug-ins cost, in a real Envoy and in an interpreter
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Its own arguments: `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    program(&Workspace::load()?, "xtask-bench", &args.args)
}
