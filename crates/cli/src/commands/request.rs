//! `request` and `explain`: they become the program that has an HTTP client, which is no part of a newcomer's first
//! build.

use anyhow::Result;

use super::serve::become_gateway;

/// Send a request through a folder's gateway, and show what each plug-in did with it
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct RequestArgs {
    /// Its own arguments, as curl's: `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Explain which plug-ins a request would meet, in which order and with which configuration
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct ExplainArgs {
    /// Its own arguments: `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn request(args: &RequestArgs) -> Result<bool> {
    become_gateway("xtask-request", Some("request"), &args.args)
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<bool> {
    become_gateway("xtask-request", Some("explain"), &args.args)
}
