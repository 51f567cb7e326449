//! `cargo xtask bench`: what plug-ins cost, measured. A program of its own, because it needs an interpreter and an
//! Envoy, which no newcomer's first build should wait for.

mod allocations;
mod compare;
mod corpus;
mod envoy;
mod interpreter;
mod load;
mod module;
mod options;
mod progress;
mod report;
mod rounds;
mod scenario;
mod stats;
mod subject;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::options::Options;
use crate::report::Report;
use crate::subject::Workspace;

/// Measure what plug-ins cost: CPU time per request in a real Envoy, instructions in an interpreter
///
/// In one run, in turns, and with the same request: Envoy without a plug-in, with a hand-written empty module that has
/// the plug-in's callbacks (the floor), and with the plug-in, under the configurations of its `bench.yaml` (or the
/// example of its manifest). Envoy has one worker on one core; `h2load` makes the load on another. Ratios are between
/// times of the same round; their median is printed, with the middle half of them in brackets.
#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    bin_name = "cargo xtask bench",
    max_term_width = 100,
    after_help = "\
Examples:
  cargo xtask bench request-block                  every scenario of one plug-in
  cargo xtask bench request-block --only rules     those with `rules` in their names
  cargo xtask bench request-block --rounds 7       quick and rough
  cargo xtask bench request-block --engine wasm    instructions only, the same in every run
  cargo xtask bench request-block --against other.wasm
                                                   another module beside it, with the same configurations
  cargo xtask bench my-plugin --config my.yaml --against other.wasm --against-config theirs.yaml
                                                   one configuration for each
  cargo xtask bench request-block --only exact --soak 1000000
                                                   does its memory grow?
  cargo xtask bench --markdown docs/benchmarks.md  all plug-ins that have scenarios, written up

plugins/request-block/bench.yaml shows how scenarios are written, xtask/bench/src/scenario.rs has the format.
Exit codes: 0 it was measured, 1 it could not be, 2 the command was wrong."
)]
struct Args {
    /// Plug-ins, in any spelling; without one, those that have a bench.yaml.
    plugins: Vec<String>,
    /// Only scenarios with this in their names.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Where to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["envoy", "wasm"])]
    engine: Vec<Engine>,
    /// How often each thing is measured, in turns; fewer than five say little.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Instead of measuring, send so many requests of each scenario through one VM of the interpreter: its memory must
    /// not grow after the first thousand.
    #[arg(long, value_name = "REQUESTS", conflicts_with_all = ["markdown", "json", "against"])]
    soak: Option<u64>,
    /// Another module to measure beside the plug-in; one for Higress's own ABI is adapted.
    #[arg(long, value_name = "FILE.wasm")]
    against: Option<PathBuf>,
    /// A configuration (YAML or JSON) instead of each scenario's own.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The configuration of the other module, if it needs another one.
    #[arg(long, value_name = "FILE", requires = "against")]
    against_config: Option<PathBuf>,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with the tables, the machine and the versions.
    #[arg(long, value_name = "FILE.md")]
    markdown: Option<PathBuf>,
}

/// Where something is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// CPU time, in a real Envoy.
    Envoy,
    /// Instructions, host calls and memory, in an interpreter.
    Wasm,
}

/// Another command has failed and said why; its exit code.
#[derive(Debug)]
struct Failed(u8);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "see above")
    }
}

impl std::error::Error for Failed {}

/// The command itself was wrong.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(Failed(code)) = error.downcast_ref() {
                return ExitCode::from(*code);
            }
            progress::error(&error);
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let in_envoy = args.engine.contains(&Engine::Envoy) && args.soak.is_none();
    if in_envoy {
        load::require_h2load()?;
    }
    let workspace = Workspace::load()?;
    let names = if args.plugins.is_empty() { workspace.with_scenarios() } else { args.plugins.clone() };
    if names.is_empty() {
        bail!(Usage("no plug-in has a bench.yaml: name one, and its manifest's example is measured".into()));
    }
    let envoy = in_envoy
        .then(|| gateway::Envoy::find(&workspace.target).context("there is no Envoy to measure in"))
        .transpose()?;
    let options = Options {
        envoy: envoy.as_ref().map(|envoy| envoy.path().to_path_buf()),
        interpreter: args.engine.contains(&Engine::Wasm),

        rounds: usize::from(args.rounds),
        only: args.only.clone(),
        against: args.against.clone(),
        config: args.config.as_deref().map(compare::read_config).transpose()?,
        against_config: args.against_config.as_deref().map(compare::read_config).transpose()?,
    };
    let subjects = names.iter().map(|name| workspace.subject(name)).collect::<Result<Vec<_>>>()?;
    if let Some(requests) = args.soak {
        return subjects.iter().try_for_each(|subject| compare::soak(subject, &options, requests));
    }
    let mut report = Report::new(&workspace.root, envoy.as_ref().map(gateway::Envoy::version), &options)?;
    for subject in &subjects {
        report.plugins.push(compare::compare(subject, &options)?);
    }
    if let Some(file) = &args.markdown {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(file, report.markdown()).with_context(|| format!("writing {}", file.display()))?;
        progress::step(format_args!("wrote {}", file.display()));
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}
