//! `bench`: started as the program that it is, because it needs an interpreter of modules, which is no part of a
//! newcomer's first build.

use anyhow::{Context, Result, bail};

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
    let workspace = Workspace::load()?;
    let mut cargo = crate::wasm::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "xtask-bench", "--manifest-path"]);
    cargo.arg(workspace.root.join("Cargo.toml")).arg("--").args(&args.args);
    let status = cargo.status().context("cargo cannot be started")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        // clap's and the program's own code for a command that was wrong.
        Some(2) => std::process::exit(2),
        _ => bail!("the benchmark broke off with {status}"),
    }
}
