//! Scenarios from a seed: the same in every run, without a tool, and on any engine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Fuzzer;
use crate::{Declare, Engine};
use engine::Random;

/// The longest input, in bytes.
const LONGEST: usize = 600;

/// The interval of progress reports.
const TOLD: Duration = Duration::from_secs(5);

/// The duration of a run.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The maximum number of scenarios.
    pub runs: Option<u64>,
    /// At most so long.
    pub time: Option<Duration>,
    /// The maximum number of findings.
    pub findings: usize,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Ran {
    /// Scenarios.
    pub runs: u64,
    /// Requests, counting both ways in which each was sent.
    pub requests: u64,
    /// The folder of the findings.
    pub findings: Vec<PathBuf>,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, requests, findings } = self;
        write!(f, "{runs} scenarios, {requests} requests, {} findings", findings.len())
    }
}

/// Runs scenarios determined by `seed`, and writes findings to `findings`.
///
/// # Errors
///
/// The plug-in's cases cannot be read, or a finding cannot be written.
pub fn seeded(
    directory: &Path,
    engine: impl Engine + 'static,
    changes: Declare,
    seed: u64,
    bounds: Bounds,
    findings: &Path,
) -> anyhow::Result<Ran> {
    let mut fuzzer = Fuzzer::new(directory, engine, changes)?;
    let mut random = Random::new(seed);
    let mut ran = Ran::default();
    let (start, mut told) = (Instant::now(), Instant::now());
    let goes_on = |ran: &Ran| {
        bounds.runs.is_none_or(|runs| ran.runs < runs)
            && bounds.time.is_none_or(|time| start.elapsed() < time)
            && ran.findings.len() < bounds.findings
    };
    while goes_on(&ran) {
        let size = random.below(LONGEST);
        let bytes: Vec<u8> = random.bytes(size);
        if let Err(finding) = fuzzer.run(&bytes) {
            let file = finding.save(findings)?;
            eprintln!("found {}: {finding}", file.display());
            ran.findings.push(file);
        }
        ran.runs += 1;
        ran.requests = fuzzer.requests();
        if told.elapsed() > TOLD {
            told = Instant::now();
            eprintln!("{:.0} s: {ran}", start.elapsed().as_secs_f64());
        }
    }
    Ok(ran)
}
