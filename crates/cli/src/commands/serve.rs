//! `serve`: a gateway on this machine that follows a folder.

#[cfg(feature = "gateway")]
pub(crate) mod environment;
#[cfg(feature = "gateway")]
mod run;
#[cfg(feature = "gateway")]
pub(crate) mod show;

use std::path::PathBuf;
use std::time::Duration;

use gateway::LogLevel;
use gateway::folder::StageOrder;
#[cfg(feature = "gateway")]
use gateway::modules::Sources;
#[cfg(feature = "gateway")]
use gateway::plugins::Plugins;

use crate::catalogue::Choice;

#[cfg(not(feature = "gateway"))]
pub(crate) use crate::heavy::run;
#[cfg(feature = "gateway")]
pub(crate) use run::run;

/// Serve a folder of WasmPlugin resources with a real Envoy, and follow its changes
///
/// Plug-ins run as they would in a cluster: in order of stage and priority, with the default configuration and match rules
/// as the control plane converts them. Changes of the files, of modules and of the source of plug-ins take effect at once.
/// Errors are reported with their place, and the previous configuration stays in force. `routes.yaml` in the folder defines
/// hosts, paths and services; without it, an echo responds to every request.
///
/// A `url` may be `oci://`, `https://`, `http://`, `file://` (relative to the resource's file), or `workspace:NAME` (a
/// plug-in of this workspace, built from source). Modules made for Higress are adapted.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask serve                           the current folder, on port 8080
  cargo xtask serve examples/domains --from-source
                                              builds images of plug-ins of this workspace
                                              instead of pulling them
  cargo xtask serve --port 0 --log request-block
                                              on a free port, with the log of one plug-in

Envoy is the one that the variable ENVOY names. Without it, inside a workspace the pinned version is fetched into cargo's \
target folder; elsewhere it is the one of the Python environment that portcullis is installed in, the one on PATH, or the \
pinned version in ~/.cache/portcullis, fetched on first use.

An image of a catalogue, such as the one that an installed portcullis has, is used without a registry.

Exit codes: 0 served until Ctrl-C, 1 the folder has errors, 2 usage error.")]
pub(crate) struct Args {
    /// The folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The port to listen on, on 127.0.0.1; 0 for a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The order of stages: `mse` is authz, authn, stats, default; `istio` has authn first. The documents disagree.
    #[arg(long, value_enum, default_value = "mse")]
    stage_order: Order,
    /// Show the log of this plug-in only; may be given several times.
    #[arg(long, value_name = "PLUGIN")]
    log: Vec<String>,
    /// The lowest level of plug-ins' logs that is shown.
    #[arg(long, value_enum, default_value = "info")]
    log_level: Level,
    #[command(flatten)]
    modules: Modules,
    /// Build plug-ins as they are shipped, which takes longer.
    #[arg(long)]
    release: bool,
    /// Seconds in which running requests may finish when plug-ins come, go or change places. New requests do not wait for
    /// them.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    drain: Duration,
}

/// Where modules come from.
#[derive(clap::Args)]
pub(crate) struct Modules {
    /// Build images of plug-ins of this workspace from source instead of pulling them.
    #[arg(long)]
    pub(crate) from_source: bool,
    #[command(flatten)]
    pub(crate) catalogue: Choice,
}

#[cfg(feature = "gateway")]
impl Modules {
    /// Where modules come from, with the plug-ins of the workspace.
    pub(crate) fn sources(&self, plugins: Result<Plugins, String>) -> anyhow::Result<Sources> {
        let catalogue = self.catalogue.open()?;
        Ok(Sources { plugins, from_source: self.from_source, catalogue })
    }
}

/// The order of stages, as a command-line option.
#[derive(Clone, Copy, clap::ValueEnum)]
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

/// A level of a log, as a command-line option.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "write a whole number of seconds, as in 600".into())
}
