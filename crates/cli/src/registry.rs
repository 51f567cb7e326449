//! Images in registries, through the program that speaks with them: `xtask/registry`, which is built when it is first
//! wanted, because its HTTP and TLS take longer to compile than everything that a newcomer's first build needs.

use std::process::Command;

use anyhow::{Context, Result, bail};
use oci::Layout;

use crate::output;
use crate::workspace::Workspace;

/// How a registry is reached.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Access {
    /// Reach the registry over HTTP, as one on this machine.
    #[arg(long)]
    plain_http: bool,
}

impl Access {
    /// As the program takes it.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> + use<> {
        self.plain_http.then(|| "--plain-http".to_owned()).into_iter()
    }
}

/// Fetches an image, with what is attached to it.
pub(crate) fn fetch(workspace: &Workspace, reference: &str, access: &Access) -> Result<Layout> {
    let folder = workspace.target.join("registry").join(std::process::id().to_string());
    let mut args = vec!["pull".to_owned(), reference.to_owned(), folder.display().to_string()];
    args.extend(access.arguments());
    args.push("--quiet".into());
    let fetched = match run(workspace, &args) {
        Ok(true) => Layout::read(&folder),
        Ok(false) => Err(anyhow::anyhow!("{reference} could not be fetched: see above")),
        Err(error) => Err(error),
    };
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fetched
}

/// Runs the program with its own arguments.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    program(workspace, "xtask-registry", args)
}

/// Builds and runs a program of this workspace that is too heavy to be a part of xtask.
pub(crate) fn program(workspace: &Workspace, package: &str, args: &[String]) -> Result<bool> {
    let status = command(workspace, package, args).status().context("cargo cannot be started")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        // clap's and the program's own code for a command that was wrong.
        Some(2) => std::process::exit(2),
        _ => bail!("{package} broke off with {status}: see above"),
    }
}

/// Builds such a program and becomes it, so that a signal to this process reaches it.
pub(crate) fn become_program(workspace: &Workspace, package: &str, args: &[String]) -> Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(command(workspace, package, args).exec()).context("cargo cannot be started")
    }
    #[cfg(not(unix))]
    program(workspace, package, args)
}

fn command(workspace: &Workspace, package: &str, args: &[String]) -> Command {
    let mut cargo = crate::wasm::cargo();
    cargo.args(["run", "--locked", "--package", package, "--manifest-path"]);
    cargo.arg(workspace.root.join("Cargo.toml"));
    let program = workspace.target.join("debug").join(package);
    if program.with_extension(std::env::consts::EXE_EXTENSION).is_file() {
        cargo.arg("--quiet");
    } else {
        output::step(format_args!("building {package}, which the first such command needs: a minute or two"));
    }
    cargo.arg("--").args(args);
    cargo
}
