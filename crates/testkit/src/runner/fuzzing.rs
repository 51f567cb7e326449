//! The plug-in's test program as a fuzzer, for `cargo xtask fuzz`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::fuzz::{Bounds, Fuzzer, Search, against, seeded, slow};
use crate::{Declare, Engine, EngineName};

/// The environment variable with the task, in JSON; without it, the program runs tests.
const FUZZ: &str = "PORTCULLIS_FUZZ";

/// The maximum number of findings.
const ENOUGH: usize = 10;

/// A task of `cargo xtask fuzz`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    engine: EngineName,
    seed: u64,
    runs: Option<u64>,
    seconds: Option<u64>,
    /// The folder for findings.
    findings: PathBuf,
    /// One scenario to run again, instead.
    replay: Option<PathBuf>,
    /// The engine to compare with: Envoy, with the module that `PORTCULLIS_WASM` names.
    #[serde(default)]
    against: Option<EngineName>,
    /// A search for requests that cost more than others of their size, instead of scenarios.
    #[serde(default)]
    slow: Option<Search>,
}

/// Executes the task, if any. The exit code of a finding is 1.
pub(super) fn run(
    directory: &Path,
    plugin: &str,
    changes: Declare,
    native: impl Engine + 'static,
    wasm: impl Engine + 'static,
) -> Option<anyhow::Result<ExitCode>> {
    let order = std::env::var(FUZZ).ok()?;
    Some(match serde_json::from_str::<Order>(&order).context(FUZZ) {
        Ok(order) if order.engine == EngineName::Native => obey(&order, directory, plugin, changes, native),
        Ok(order) if order.engine == EngineName::Wasm => obey(&order, directory, plugin, changes, wasm),
        Ok(_) => Err(anyhow::anyhow!("{FUZZ}: engine: write native or wasm")),
        Err(error) => Err(error),
    })
}

fn obey(
    order: &Order,
    directory: &Path,
    plugin: &str,
    changes: Declare,
    engine: impl Engine + 'static,
) -> anyhow::Result<ExitCode> {
    if let Some(file) = &order.replay {
        let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        match Fuzzer::new(directory, engine, changes)?.run(&bytes) {
            Ok(()) => println!("{}: everything holds", file.display()),
            Err(finding) => {
                eprintln!("{finding}");
                return Ok(ExitCode::FAILURE);
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let time = order.seconds.map(Duration::from_secs);
    let bounds = Bounds { runs: order.runs, time, findings: ENOUGH };
    if order.against == Some(EngineName::Envoy) {
        let module =
            std::env::var_os(super::MODULE).with_context(|| format!("{} names no module", super::MODULE))?;
        let compared =
            against(directory, plugin, &engine, Path::new(&module), order.seed, bounds, &order.findings)?;
        println!("seed {}: {compared}", order.seed);
        return Ok(if compared.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if let Some(search) = &order.slow {
        let searched = slow(directory, &engine, search, order.seed, bounds, &order.findings)?;
        for worst in &searched.worst {
            println!("{worst}");
        }
        let (requests, pages) = (searched.requests, searched.pages);
        println!(
            "seed {}: {requests} requests of {} bytes, {pages} pages of memory",
            order.seed, search.size
        );
        for file in &searched.findings {
            println!("found {}", file.display());
        }
        return Ok(if searched.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let ran = seeded(directory, engine, changes, order.seed, bounds, &order.findings)?;
    println!("seed {}: {ran}", order.seed);
    Ok(if ran.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
