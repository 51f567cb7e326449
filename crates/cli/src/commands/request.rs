//! `request`: a request through the gateway of a folder.

#[cfg(feature = "gateway")]
pub(super) mod curl;
#[cfg(feature = "gateway")]
mod run;
#[cfg(feature = "gateway")]
mod show;

use std::path::PathBuf;

use super::serve::{Modules, Order};

#[cfg(not(feature = "gateway"))]
pub(crate) use crate::heavy::run;
#[cfg(feature = "gateway")]
pub(crate) use run::run;

/// Send a request through the gateway of a folder, and show what each plug-in did with it
///
/// The request goes to the `cargo xtask serve` of the folder, or to an Envoy of its own if none is running. With `--trace`
/// it always goes to one of its own, with a probe before, between and after the plug-ins, which change nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask request http://foo.example.com/swagger.html --folder examples/block
  cargo xtask request /login -d user=me -H 'x-a: b' -i
  cargo xtask request /login -d @body.json --trace        who responded, and why
  cargo xtask request /upload --data-binary @file --chunk 4096 --http2 --trace --json
  echo hello | cargo xtask request ws://foo.example.com/chat
                                                          a WebSocket: sends lines, prints messages

Exit codes: 0 a response, 1 no response, an interrupted one, or errors in the folder, 2 usage error.")]
pub(crate) struct Args {
    #[command(flatten)]
    curl: Curl,
    /// Print the headers of the response too.
    #[arg(short = 'i', long)]
    include: bool,
    /// Print nothing but the response, or the trace.
    #[arg(short = 's', long)]
    silent: bool,
    /// Show what each plug-in did.
    #[arg(long)]
    trace: bool,
    /// Print the trace as JSON.
    #[arg(long, requires = "trace")]
    json: bool,
    /// Show what a trace hides: credentials in headers, parameters, cookies and configurations, and everywhere else that
    /// they occur.
    #[arg(long, requires = "trace")]
    show_secrets: bool,
    #[command(flatten)]
    modules: Modules,
    /// The folder of the gateway.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// The order of stages; the documents disagree. [default: that of the running gateway, or mse]
    #[arg(long, value_enum)]
    stage_order: Option<Order>,
}

/// A request, with curl's options.
#[derive(Debug, Clone, clap::Args)]
struct Curl {
    /// A URL with the host that the request is for, or a path. The request goes to the gateway of the folder in any case.
    /// `ws://` opens a WebSocket: lines of stdin are sent as text messages, and received messages are printed.
    #[arg(default_value = "/")]
    target: String,
    /// The method. [default: GET, or POST with a body]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// A header, `Name: value`; `Name;` for an empty one.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The body; `@file` reads it without line breaks, `@-` is stdin. Several are joined by `&`.
    #[arg(short = 'd', long = "data", value_name = "DATA")]
    data: Vec<String>,
    /// The body as it is; `@file` reads it.
    #[arg(long, value_name = "DATA", conflicts_with = "data")]
    data_binary: Option<String>,
    /// Send the body in chunks of this size, without a Content-Length.
    #[arg(long, value_name = "BYTES")]
    chunk: Option<usize>,
    /// A trailer after the body, `Name: value`.
    #[arg(long, value_name = "TRAILER")]
    trailer: Vec<String>,
    /// Use HTTP/2.
    #[arg(long)]
    http2: bool,
    /// How many seconds to wait for the response.
    #[arg(short = 'm', long, value_name = "SECONDS", default_value_t = 15)]
    max_time: u64,
}
