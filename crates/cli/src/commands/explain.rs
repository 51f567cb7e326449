//! `explain`: the plug-ins and rules that apply to a request.

#[cfg(feature = "gateway")]
mod run;

use std::path::PathBuf;

use super::serve::Order;

#[cfg(not(feature = "gateway"))]
pub(crate) use crate::heavy::run;
#[cfg(feature = "gateway")]
pub(crate) use run::run;

/// Explain which plug-ins apply to a request, in which order and with which configuration, without sending it
///
/// For a plug-in of this workspace, a rule is shown with the global fields that it inherits.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask explain examples/domains --host shop.example.com --path /admin
  cargo xtask explain http://shop.example.com/admin --folder examples/domains
  cargo xtask explain . --host a.com --route default/foo --consumer partner --json")]
pub(crate) struct Args {
    /// The folder, or the URL of the request, as `request` takes it.
    #[arg(default_value = ".", value_name = "FOLDER|URL")]
    target: String,
    /// The folder, beside a URL.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The host, with or without a port.
    #[arg(long)]
    host: Option<String>,
    /// The path. [default: /]
    #[arg(long)]
    path: Option<String>,
    /// The name of the route, instead of the one by `routes.yaml`.
    #[arg(long)]
    route: Option<String>,
    /// The service, `name` or `name:port`, instead of the one by `routes.yaml`.
    #[arg(long)]
    service: Option<String>,
    /// The consumer that an authentication plug-in identifies.
    #[arg(long)]
    consumer: Option<String>,
    /// The order of stages; the documents disagree.
    #[arg(long, value_enum, default_value = "mse")]
    stage_order: Order,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show the credentials in configurations.
    #[arg(long)]
    show_secrets: bool,
}
