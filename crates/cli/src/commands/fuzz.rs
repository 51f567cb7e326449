//! `fuzz`: random configurations and requests, natively and in the module.

mod guided;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use workspace::build::{Builder, Profile};
use workspace::{Plugin, Workspace};

use crate::Usage;
use crate::commands::test::suite::{self, Suite};
use crate::output::{self, BAD, styled};

/// Search for configurations and requests that crash or bypass a plug-in
///
/// Random bytes are converted to a configuration and requests, based on the plug-in's cases and the words in them. Each request is
/// sent twice, with its body whole and in chunks; in half of the scenarios, the chunked requests are open at the same
/// time. The VM must not stop, every request must be answered, and the response, the request to the upstream and the
/// counters must be equal both times. Headers must equal those without the plug-in, except for the changes declared in
/// tests/changes/mod.rs.
///
/// Natively, libFuzzer selects the bytes by code coverage. In the module, or without a C++ compiler for libFuzzer, they are
/// generated from a seed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask fuzz request-block --time 60s          one minute, guided by coverage
  cargo xtask fuzz request-block --engine wasm --runs 1000 --seed 1
                                                     a thousand reproducible scenarios, in the module
  cargo xtask fuzz --all --engine wasm --runs 500    all plug-ins
  cargo xtask fuzz request-block --against envoy --runs 20000
                                                     compare the mock gateway with Envoy
  cargo xtask fuzz request-block --replay target/fuzz/findings/request-block/<file>
                                                     repeat one scenario

Findings are stored in target/fuzz/findings/<plugin>/, as bytes and as a case for tests/cases.yaml.
Exit codes: 0 no findings, 1 findings, 2 usage error.")]
pub(crate) struct Args {
    /// The plug-in; case and `-`/`_` do not matter.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    plugin: Option<String>,
    /// Fuzz all plug-ins in plugins/.
    #[arg(long, conflicts_with = "replay")]
    all: bool,
    /// The engine to run.
    #[arg(long, value_enum, default_value = "native")]
    engine: Engine,
    /// Duration for each plug-in: 90s, 10m, 1h. [default without --runs: 1m]
    #[arg(long, value_parser = duration)]
    time: Option<Duration>,
    /// Number of scenarios for each plug-in.
    #[arg(long)]
    runs: Option<u64>,
    /// Seed of the scenarios. [default: random]
    #[arg(long)]
    seed: Option<u64>,
    /// Use only the seed natively, without coverage.
    #[arg(long)]
    seeded: bool,
    /// Compare the mock gateway with a real one instead: what client, upstream and services receive for each request. --runs
    /// is the number of requests.
    #[arg(long, value_enum, conflicts_with = "replay")]
    against: Option<Against>,
    /// Run repeat one scenario.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// The engine of scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// The plug-in's Rust code, against a mock gateway.
    Native,
    /// The release module in an interpreter, against the same mock gateway.
    Wasm,
}

/// The gateway to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    /// Envoy, with the release module.
    Envoy,
}

/// The limits and the seed of a run.
struct Bounds {
    time: Option<Duration>,
    runs: Option<u64>,
    seed: u64,
}

/// The default duration.
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let plugins: Vec<&Plugin> = match &args.plugin {
        Some(name) => vec![workspace.plugin(name)?],
        None => workspace.plugins.iter().collect(),
    };
    if let Some(file) = args.replay.as_ref().filter(|file| !file.is_file()) {
        bail!(Usage(format!(
            "{} is not a file: findings are in target/fuzz/findings/<plugin>/",
            file.display()
        )));
    }
    let time = args.time.or_else(|| args.runs.is_none().then_some(MINUTE));
    let bounds = Bounds { time, runs: args.runs, seed: args.seed.unwrap_or_else(any_seed) };
    let guided =
        args.engine == Engine::Native && !args.seeded && args.replay.is_none() && args.against.is_none();
    let guided = guided && guided::is_possible();
    let suites = match &args.plugin {
        _ if guided => Vec::new(),
        Some(_) => {
            let names = plugins.iter().flat_map(|plugin| ["--package".to_owned(), plugin.name.clone()]);
            suite::build(&workspace, &names.collect::<Vec<_>>())?
        }
        // With the features that `test` compiles dependencies with, so that it need not compile them again.
        None => suite::build(&workspace, &["--workspace".to_owned()])?,
    };
    let mut bad = Vec::new();
    for plugin in plugins {
        let good = if guided {
            guided::run(&workspace, plugin, &bounds)?
        } else {
            seeded(&workspace, plugin, &suites, args, &bounds)?
        };
        if !good {
            bad.push(plugin.name.clone());
        }
    }
    if !bad.is_empty() {
        anstream::eprintln!("{} {}", styled(BAD, "found something:"), bad.join(", "));
    }
    Ok(bad.is_empty())
}

/// Runs scenarios from the seed in the plug-in's test program.
fn seeded(
    workspace: &Workspace,
    plugin: &Plugin,
    suites: &[Suite],
    args: &Args,
    bounds: &Bounds,
) -> Result<bool> {
    let cases = suites.iter().find(|suite| suite.package == plugin.name && suite.target == "cases");
    let cases = cases.with_context(|| {
        format!("{} has no cases to begin from: write tests/cases.rs and tests/cases.yaml", plugin.name)
    })?;
    let mut command = cases.command(workspace, &workspace::build::host_libraries(workspace)?);
    if args.engine == Engine::Wasm || args.against.is_some() {
        command.env("PORTCULLIS_WASM", Builder::new(workspace)?.build(plugin, Profile::Release)?);
    }
    let engine = match args.engine {
        Engine::Native => "native",
        Engine::Wasm => "wasm",
    };
    let replay = args.replay.as_ref().map(std::path::absolute).transpose()?;
    let order = json!({
        "engine": engine,
        "seed": bounds.seed,
        "runs": bounds.runs,
        "seconds": bounds.time.map(|time| time.as_secs().max(1)),
        "findings": findings(workspace, plugin),
        "replay": replay,
        "against": args.against.map(|Against::Envoy| "envoy"),
    });
    let against = args.against.map_or("", |Against::Envoy| " against Envoy");
    output::step(format_args!("{} {engine}{against}, seed {}", plugin.name, bounds.seed));
    let status = command.env("PORTCULLIS_FUZZ", order.to_string()).status();
    Ok(status.context("the test program cannot be started")?.success())
}

/// Returns the folder of findings.
fn findings(workspace: &Workspace, plugin: &Plugin) -> PathBuf {
    workspace.target.join("fuzz/findings").join(&plugin.name)
}

fn any_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()))
}

/// Parses `90s`, `10m` and `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = |unit: char, seconds: u64| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs)
    };
    let read = unit('s', 1).or_else(|| unit('m', 60)).or_else(|| unit('h', 3600));
    read.ok_or_else(|| "write a number and its unit: 90s, 10m or 1h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "s", "0s", "60", "-1s", "1d", "99999999999999999999h"] {
            assert!(duration(wrong).unwrap_err().contains("90s"), "{wrong}");
        }
    }
}
