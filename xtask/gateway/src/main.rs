//! `cargo xtask serve`: the command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Parser;
use gateway::folder::StageOrder;
use gateway::serve::{Options, run};
use gateway::workspace::Workspace;
use gateway::{LogLevel, Usage};

/// Serve a folder of WasmPlugin resources with a real Envoy
///
/// The plug-ins run as they would in a cluster: in order of stage and priority, with default and match rules as the
/// control plane turns them. Changes of the files, of modules and of the source of plug-ins take effect at once; what is
/// wrong is refused with its place, and what ran before serves on. `routes.yaml` in the folder says which hosts, paths
/// and services there are; without one, every request is answered by an echo.
///
/// A `url` may be `workspace:NAME` (a plug-in of this workspace, built from source), `file://` (from the resource's
/// file on), `http://`, `https://` or `oci://`. Modules that are made for Higress are adapted.
#[derive(Parser)]
#[command(
    name = "cargo xtask serve",
    bin_name = "cargo xtask serve",
    max_term_width = 100,
    after_help = "\
Examples:
  cargo xtask serve examples/block            one of the examples, on port 8080
  cargo xtask serve examples/domains --from-source
                                              images of plug-ins of this workspace are built instead of pulled
  cargo xtask serve examples/block --port 0 --log request-block
                                              on a free port, with the log of one plug-in

Exit codes: 0 it served until Ctrl-C, 1 something in the folder is wrong, 2 the command was wrong."
)]
struct Cli {
    /// The folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The port to listen on, on 127.0.0.1; 0 for a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The order of stages: `mse` is authz, authn, stats, default; `istio` has authn first. The documents disagree.
    #[arg(long, value_enum, default_value = "mse")]
    stage_order: Order,
    /// Show the log of this plug-in, and of no other; may be given several times.
    #[arg(long, value_name = "PLUGIN")]
    log: Vec<String>,
    /// Show plug-ins' logs from this level on.
    #[arg(long, value_enum, default_value = "info")]
    log_level: Level,
    /// Build images of plug-ins of this workspace from source instead of pulling them.
    #[arg(long)]
    from_source: bool,
    /// Build plug-ins as they are shipped, which takes longer.
    #[arg(long)]
    release: bool,
    /// Seconds in which requests that have begun are finished when plug-ins come, go or change places. New ones do not
    /// wait for them.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    drain: Duration,
    /// The workspace's folder; `cargo xtask` names it.
    // With a default, so that usage lines leave it out.
    #[arg(long, hide = true, default_value = "")]
    root: PathBuf,
    /// Cargo's target folder.
    #[arg(long, hide = true, default_value = "")]
    target: PathBuf,
    /// The program that `cargo xtask` is.
    #[arg(long, hide = true)]
    xtask: Option<PathBuf>,
}

/// The order of stages, as the command takes it.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Order {
    /// authz, authn, stats, default.
    Mse,
    /// authn, authz, stats, default.
    Istio,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "write a whole number of seconds, as in 600".into())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let workspace = Workspace {
        root: cli.root,
        target: cli.target,
        xtask: cli.xtask,
        profile: if cli.release { "release" } else { "wasm-dev" }.into(),
    };
    let options = Options {
        folder: cli.folder,
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), cli.port),
        order: match cli.stage_order {
            Order::Mse => StageOrder::Mse,
            Order::Istio => StageOrder::Istio,
        },
        drain: cli.drain,
        log: cli.log,
        log_level: match cli.log_level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        },
        from_source: cli.from_source,
    };
    match run(options, workspace) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let style = AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{style}error:{style:#} {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
