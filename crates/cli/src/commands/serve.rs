//! `serve`: becomes the program that it is, because an HTTP server and a watcher of files are no part of a newcomer's
//! first build.

use anyhow::Result;

use crate::registry::become_program;

/// Serve a folder of WasmPlugin resources with a real Envoy, and follow its changes
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Its own arguments: `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    become_gateway("xtask-gateway", None, &args.args)
}

/// Becomes a program that runs gateways: it is told where the workspace is, and which of its commands is meant.
pub(crate) fn become_gateway(package: &str, command: Option<&str>, args: &[String]) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let mut own = vec![
        "--root".into(),
        workspace.root.display().to_string(),
        "--target".into(),
        workspace.target.display().to_string(),
    ];
    if let Ok(program) = std::env::current_exe() {
        own.extend(["--xtask".into(), program.display().to_string()]);
    }
    own.extend(command.map(str::to_owned));
    own.extend(args.iter().cloned());
    become_program(&workspace, package, &own)
}
