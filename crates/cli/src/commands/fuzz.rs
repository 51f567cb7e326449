//! `fuzz`: random configurations and requests, natively and in the module.

mod guided;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use workspace::build::{Builder, Profile};
use workspace::{Plugin, Workspace};

use crate::Usage;
use crate::commands::test::suite::{self, Suite};
use crate::jobs::{self, Job, Log};
use crate::output::{BAD, styled};

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
  cargo xtask fuzz waf --slow --time 10m --at-most 20
                                                     requests that cost 20 times as much as prose of their size
  cargo xtask fuzz request-block --replay target/fuzz/findings/request-block/<file>
                                                     repeat one scenario

Findings are stored in target/fuzz/findings/<plugin>/, as bytes and as a case for tests/cases.yaml.
Exit codes: 0 no findings, 1 findings or a failure, 2 usage error.")]
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
    /// Repeat one scenario.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// With --all, how many plug-ins at once, each on one processor. What each prints comes together when it has ended, and with
    /// one, line by line. [default: 2, and 1 for libFuzzer]
    #[arg(long, short, conflicts_with_all = ["plugin", "replay"], value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Search instead for requests that cost the module more than a request with prose of the same size. --runs is
    /// the number of requests.
    #[arg(long, conflicts_with_all = ["replay", "against", "seeded"])]
    slow: bool,
    /// The size of path, query, header or body in which --slow searches, in bytes.
    #[arg(long, requires = "slow", value_name = "BYTES", default_value_t = 8000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    size: u32,
    /// What --slow measures. An iteration of a loop counts with all instructions of the loop, so their number misleads where
    /// a loop has many rare cases.
    #[arg(long, requires = "slow", value_name = "MEASURE", default_value = "time")]
    by: Measure,
    /// Fail if --slow finds a request that costs more than so many times as much.
    #[arg(long, requires = "slow", value_name = "TIMES", value_parser = times)]
    at_most: Option<f64>,
    /// A file, or a folder of files, whose lines --slow builds requests of, besides the words in the plug-in's cases; may be
    /// repeated.
    #[arg(long, requires = "slow", value_name = "PATH")]
    words: Vec<PathBuf>,
    /// Part of the names of the cases whose configurations and requests --slow begins from. [default: all]
    #[arg(long, requires = "slow", value_name = "TEXT")]
    case: Option<String>,
}

/// The engine of scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// The plug-in's Rust code, against a mock gateway.
    Native,
    /// The release module in an interpreter, against the same mock gateway.
    Wasm,
}

/// The cost of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// The time in the interpreter, always as a ratio.
    Time,
    /// The instructions that the interpreter counts: the same in every run.
    Instructions,
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

/// The exit code of a test program that could not do what it was asked.
const FAILED: i32 = 2;

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
    let words = args.words.iter().map(|path| {
        path.canonicalize()
            .map_err(|error| Usage(format!("--words {}: {error}: name a file or a folder", path.display())))
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    let time = args.time.or_else(|| args.runs.is_none().then_some(MINUTE));
    let bounds = Bounds { time, runs: args.runs, seed: args.seed.unwrap_or_else(any_seed) };
    let guided = args.engine == Engine::Native
        && !args.seeded
        && !args.slow
        && args.replay.is_none()
        && args.against.is_none();
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
    let fuzz = |plugin, log: &mut Log| match guided {
        true => guided::run(&workspace, plugin, &bounds, log),
        false => seeded(&workspace, plugin, &suites, (args, &words), &bounds, log),
    };
    let job = |plugin| Job::new(move |log| Ok((plugin, fuzz(plugin, log)?)));
    // libFuzzer reports as it goes, which should be seen.
    let at_once = if args.all && !guided { jobs::AT_ONCE } else { 1 };
    let at_once = args.jobs.map_or(at_once, NonZeroUsize::get);
    let done = jobs::run(plugins.into_iter().map(job).collect(), at_once)?;
    let bad: Vec<_> = done.iter().filter(|(_, good)| !good).map(|(plugin, _)| plugin.name.as_str()).collect();
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
    (args, words): (&Args, &[PathBuf]),
    bounds: &Bounds,
    log: &mut Log,
) -> Result<bool> {
    let cases = suites.iter().find(|suite| suite.package == plugin.name && suite.target == "cases");
    let cases = cases.with_context(|| {
        format!("{} has no cases to begin from: write tests/cases.rs and tests/cases.yaml", plugin.name)
    })?;
    let mut command = cases.command(workspace, &workspace::build::host_libraries(workspace)?);
    if args.engine == Engine::Wasm || args.slow || args.against.is_some() {
        command.env("PORTCULLIS_WASM", Builder::new(workspace)?.build(plugin, Profile::Release)?);
    }
    // Only there, instructions are counted.
    let engine = match args.engine {
        Engine::Native if !args.slow => "native",
        _ => "wasm",
    };
    let replay = args.replay.as_ref().map(std::path::absolute).transpose()?;
    let slow = json!({
        "size": args.size,
        "by": match args.by {
            Measure::Time => "time",
            Measure::Instructions => "instructions",
        },
        "at_most": args.at_most,
        "words": words,
        "case": args.case.as_deref().unwrap_or_default(),
    });
    let order = json!({
        "engine": engine,
        "seed": bounds.seed,
        "runs": bounds.runs,
        "seconds": bounds.time.map(|time| time.as_secs().max(1)),
        "findings": findings(workspace, plugin),
        "replay": replay,
        "against": args.against.map(|Against::Envoy| "envoy"),
        "slow": args.slow.then_some(slow),
    });
    let what = match args.against {
        Some(Against::Envoy) => " against Envoy",
        None if args.slow => ", slow requests",
        None => "",
    };
    log.step(format_args!("{} {engine}{what}, seed {}", plugin.name, bounds.seed));
    command.env("PORTCULLIS_FUZZ", order.to_string());
    let status = log.run(command, |_| {})?;
    // Without a code, the plug-in has crashed the program, which is a finding, too.
    if status.code() == Some(FAILED) {
        bail!("{} could not be fuzzed: see above", plugin.name);
    }
    Ok(status.success())
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

/// Parses a factor.
fn times(text: &str) -> Result<f64, String> {
    let times = text.parse().ok().filter(|times: &f64| times.is_finite() && *times >= 1.0);
    times.ok_or_else(|| "write a number from 1, such as 20".into())
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

    #[test]
    fn a_factor_is_a_number_from_1() {
        assert_eq!(times("1.5"), Ok(1.5));
        for wrong in ["", "x", "0", "-2", "NaN", "inf"] {
            assert!(times(wrong).unwrap_err().contains("such as 20"), "{wrong}");
        }
    }
}
