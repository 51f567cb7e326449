//! `bench`: measures the cost of plug-ins.

#[cfg(feature = "console")]
mod console;
#[cfg(feature = "bench")]
mod run;

use std::path::PathBuf;

use anyhow::Result;

/// The name that stands for the console, which no plug-in has.
const CONSOLE: &str = "console";

pub(crate) fn run(args: &Args) -> Result<bool> {
    if args.plugins.iter().any(|name| name == CONSOLE) {
        if args.plugins.len() > 1 {
            anyhow::bail!(crate::Usage("the console is measured by itself: remove the other names".into()));
        }
        #[cfg(feature = "console")]
        return console::run(args);
        #[cfg(not(feature = "console"))]
        return super::console::without();
    }
    #[cfg(feature = "bench")]
    return run::run(args);
    #[cfg(not(feature = "bench"))]
    crate::heavy::run(args)
}

/// Measure the cost of plug-ins: CPU time per request in a real Envoy, instructions in an interpreter
///
/// Three variants take turns in one run, with the same request: Envoy without a plug-in, with a hand-written empty module
/// that exports the plug-in's callbacks (the floor), and with the plug-in, under the configurations of its `bench.yaml` or
/// the example of its manifest. Envoy has one worker on one core; `h2load` generates the load on another. Ratios are
/// between times of the same round; their median is printed, with the interquartile range in brackets.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench request-block                  all scenarios of a plug-in
  cargo xtask bench request-block --only rules     scenarios with `rules` in their names
  cargo xtask bench request-block --rounds 7       quick and rough
  cargo xtask bench request-block --engine wasm    instructions only, the same in every run
  cargo xtask bench request-block --against other.wasm
                                                   another module beside it, with the same configurations
  cargo xtask bench my-plugin --config my.yaml --against other.wasm --against-config theirs.yaml
                                                   one configuration for each
  cargo xtask bench request-block --only exact --soak 1000000
                                                   does its memory grow?
  cargo xtask bench --markdown docs/benchmarks.md  a page about all plug-ins with scenarios
  cargo xtask bench examples/ai-gateway --engine envoy
                                                   the plug-ins of a folder together
  cargo xtask bench console                        how soon changes in the console have an effect

plugins/request-block/bench.yaml shows how scenarios are written, crates/bench/src/scenario.rs documents
the format. Exit codes: 0 measured, 1 failed, 2 usage error.")]
pub(crate) struct Args {
    /// Plug-ins (case and `-`/`_` do not matter), folders with resources and a bench.yaml, or `console`. [default: plug-ins
    /// with a bench.yaml]
    plugins: Vec<String>,
    /// Only scenarios whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The engines to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["envoy", "wasm"])]
    engine: Vec<Engine>,
    /// Number of rounds. Fewer than five are not meaningful.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Instead of measuring, send this many requests through one VM of the interpreter: of all scenarios with the same
    /// configuration, in turns. Its memory must not grow after the first thousand.
    #[arg(long, value_name = "REQUESTS", conflicts_with_all = ["markdown", "json", "against"])]
    soak: Option<u64>,
    /// Another module to compare with the plug-in. One for Higress's own ABI is adapted.
    #[arg(long, value_name = "FILE.wasm")]
    against: Option<PathBuf>,
    /// A configuration (YAML or JSON) instead of each scenario's own.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The configuration of the other module, if it differs.
    #[arg(long, value_name = "FILE", requires = "against")]
    against_config: Option<PathBuf>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with the tables, the machine and the versions.
    #[arg(long, value_name = "FILE.md")]
    markdown: Option<PathBuf>,
}

/// The engine of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// CPU time, in a real Envoy.
    Envoy,
    /// Instructions, host calls and memory, in an interpreter.
    Wasm,
}
