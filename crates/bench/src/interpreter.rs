//! The counting in an interpreter: what is the same in every run.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use testkit::exchange::{self, Chunks, Setup, Upstream};
use testkit::outcome::Outcome;
use testkit::wasm::WasmEngine;
use testkit::{Engine, Load, Loaded};

use crate::progress;
use crate::scenario::{Request, Scenario};
use crate::stream::Events;

/// Requests before the one that is counted: by then, what is set up at first use is there.
const WARM_UP: usize = 20;

/// What one request costs.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Instructions to load the module with its configuration.
    pub(crate) load: u64,
    /// Instructions of one request.
    pub(crate) request: u64,
    /// Host calls of one request.
    pub(crate) host_calls: u64,
    /// Allocations to load the module, where they can be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load_allocations: Option<u64>,
    /// Allocations of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocations: Option<u64>,
    /// The memory after it, in pages of 64 KiB.
    pub(crate) memory_pages: u64,
}

/// Runs a scenario with a module, and once more with its copy that counts allocations: counting takes instructions.
pub(crate) fn count(
    module: &Path,
    counting: Option<&Path>,
    config: &str,
    hold_headers: bool,
    scenario: &Scenario,
) -> Result<Counts> {
    let (first, last) = run(module, config, hold_headers, scenario)?;
    let mut counts =
        counts(&first, &last).with_context(|| format!("{}: nothing was counted", scenario.title()))?;
    if let Some(counting) = counting {
        let (first, last) = run(counting, config, hold_headers, scenario)?;
        counts.load_allocations = first.allocations_before;
        counts.allocations = last.allocations;
    }
    Ok(counts)
}

/// A module with a configuration.
struct Running {
    loaded: Box<dyn Loaded>,
}

impl Running {
    fn load(module: &Path, config: &str, hold_headers: bool, title: &str) -> Result<Self> {
        let gateway = exchange::Gateway {
            hold_headers,
            buffer_limit: crate::envoy::BUFFER,
            ..exchange::Gateway::default()
        };
        let setup = Setup { configuration: Some(config.to_owned()), gateway, ..Setup::default() };
        let file = module.to_path_buf();
        let loaded =
            WasmEngine::new(move || Ok(file.clone())).load(&setup).with_context(|| title.to_owned())?;
        match loaded {
            Load::Loaded(loaded) => Ok(Self { loaded }),
            Load::Refused { log } => {
                let log: Vec<String> = log.iter().map(ToString::to_string).collect();
                bail!("{title}: the configuration is rejected: {}", log.join("; "));
            }
        }
    }

    fn exchange(&mut self, title: &str, request: &exchange::Request, upstream: &Upstream) -> Result<Outcome> {
        self.loaded.exchange(request, upstream).with_context(|| title.to_owned())
    }

    /// Sends the request of a scenario, which must be answered as it says.
    fn send(&mut self, scenario: &Scenario) -> Result<Outcome> {
        let upstream = scenario.response.map(answered).unwrap_or_default();
        let outcome = self.exchange(&scenario.title(), &sent(&scenario.request), &upstream)?;
        let status = status(&outcome);
        if scenario.passes != (status == 200) {
            bail!(
                "{}: the request is answered with {status}, but the scenario has `passes: {}`",
                scenario.title(),
                scenario.passes
            );
        }
        Ok(outcome)
    }

    /// Sends what a scenario must refuse.
    fn must_refuse(&mut self, scenario: &Scenario) -> Result<()> {
        let Some(request) = &scenario.refuses else { return Ok(()) };
        let outcome = self.exchange(&scenario.title(), &sent(request), &Upstream::default())?;
        if status(&outcome) == 200 {
            bail!("{}: the request in `refuses` passed, so nothing is measured", scenario.title());
        }
        Ok(())
    }
}

/// The first request after the module was loaded, and a later one.
fn run(module: &Path, config: &str, hold_headers: bool, scenario: &Scenario) -> Result<(Outcome, Outcome)> {
    let mut running = Running::load(module, config, hold_headers, &scenario.title())?;
    let first = running.send(scenario)?;
    for _ in 1..WARM_UP {
        running.send(scenario)?;
    }
    let last = running.send(scenario)?;
    running.must_refuse(scenario)?;
    Ok((first, last))
}

fn status(outcome: &Outcome) -> u16 {
    outcome.answer.as_ref().map_or(0, |answer| answer.status)
}

/// Requests after which a VM has all the memory that it needs.
const SETTLED: u64 = 1_000;

/// Sends many requests of scenarios in turns through one VM: its memory must not grow any more once it has settled.
pub(crate) fn soak(
    module: &Path,
    config: &str,
    hold_headers: bool,
    scenarios: &[&Scenario],
    requests: u64,
) -> Result<()> {
    let titles: Vec<String> = scenarios.iter().map(|scenario| scenario.title()).collect();
    let title = titles.join("; ");
    let mut running = Running::load(module, config, hold_headers, &title)?;
    // What they need memory for is there from the beginning.
    scenarios.iter().try_for_each(|scenario| running.must_refuse(scenario))?;
    let mut settled = None;
    for (number, scenario) in (1..=requests).zip(scenarios.iter().cycle()) {
        let pages = running.send(scenario)?.memory_pages;
        if number.is_multiple_of(SETTLED) {
            running.must_refuse(scenario)?;
        }
        if number == SETTLED.min(requests) {
            settled = pages;
        }
        if number.is_multiple_of(10_000) {
            progress::tick(format_args!("{title}: request {number} of {requests}"));
        }
        if number > SETTLED && pages > settled {
            bail!(
                "{title}: the VM has {} pages of memory after {number} requests, but had {} after {SETTLED}",
                pages.unwrap_or(0),
                settled.unwrap_or(0)
            );
        }
    }
    progress::step(format_args!(
        "{title}: {} pages of 64 KiB after {SETTLED} requests, and after {requests}",
        settled.unwrap_or(0)
    ));
    Ok(())
}

fn counts(first: &Outcome, last: &Outcome) -> Option<Counts> {
    Some(Counts {
        load: first.instructions_before?,
        request: last.instructions?,
        host_calls: last.host_calls?,
        load_allocations: None,
        allocations: None,
        memory_pages: last.memory_pages?,
    })
}

/// The upstream that sends these events.
fn answered(events: Events) -> Upstream {
    let pieces = events.pieces();
    Upstream {
        headers: vec![("content-type".into(), "text/event-stream".into())],
        chunks: Some(Chunks::Sizes(pieces.iter().map(Vec::len).collect())),
        body: pieces.concat().into(),
        ..Upstream::default()
    }
}

fn sent(request: &Request) -> exchange::Request {
    let method = request.method.as_deref().unwrap_or(if request.body.is_some() { "POST" } else { "GET" });
    exchange::Request {
        method: method.into(),
        path: request.path.as_str().into(),
        host: request.host.as_str().into(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
            .collect(),
        body: request.body.clone().map(Into::into),
        ..exchange::Request::default()
    }
}
