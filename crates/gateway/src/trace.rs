//! A request traced: an Envoy with one worker runs the folder's plug-ins with a probe before, between and behind them,
//! and gets one request.
//!
//! The probe is a Wasm filter (`probe.wat`) that reads what passes and logs it. It answers every callback with
//! "continue" and never writes, so neither buffering nor pauses of the plug-ins change.

mod events;
mod hide;
mod json;
mod story;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::secret::Hider;
use crate::{AccessLine, Bootstrap, LogLevel, Process, Wasm};
use anyhow::{Context, Result};

use crate::client::{self, Answer, Sent};
pub use events::{Event, Way};
pub use hide::hidden;
pub use json::json;
pub use story::{Answerer, Call, CallEnd, Hop, Message, Story};

/// The probe's module.
const PROBE: &str = include_str!("trace/probe.wat");

/// How the probes are called, with their number behind it.
const NAME: &str = "portcullis-probe-";

/// How long Envoy may take to write its access log once an answer is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// One request, and everything that was seen of it.
#[derive(Debug)]
pub struct Traced {
    /// What the client got, if anything.
    pub answer: Option<Answer>,
    /// What the access log says, if the request came to an end.
    pub access: Option<AccessLine>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The counters and gauges of the plug-ins afterwards.
    pub metrics: Vec<(String, u64)>,
}

/// What hides the secrets of a request.
#[must_use]
pub fn hider_of(sent: &Sent) -> Hider {
    let mut hider = Hider::default();
    hider.learn(b":path", sent.path.as_bytes());
    for (name, value) in sent.headers.iter().chain(&sent.trailers) {
        hider.learn(name.as_str().as_bytes(), value.as_bytes());
    }
    hider
}

/// What hides the secrets of a request and of everything that was seen of it.
#[must_use]
pub fn hider(sent: &Sent, traced: &Traced, story: &Story) -> Hider {
    let mut hider = hider_of(sent);
    let answer = traced.answer.iter().flat_map(|answer| [&answer.headers, &answer.trailers]);
    for (name, value) in answer.flatten() {
        hider.learn(name.as_str().as_bytes(), value.as_bytes());
    }
    for hop in &story.hops {
        for message in
            [&hop.request.0, &hop.request.1, &hop.response.0, &hop.response.1].into_iter().flatten()
        {
            message
                .headers
                .iter()
                .chain(&message.trailers)
                .for_each(|(name, value)| hider.learn(name, value));
        }
        hop.calls.iter().for_each(|call| hider.learn(b":path", call.path.as_bytes()));
    }
    hider
}

/// Sends a request through the plug-ins of a plan, with probes or without.
///
/// # Errors
///
/// Envoy does not start, or the request cannot be sent.
pub async fn run(
    envoy: &crate::Envoy,
    plan: &Plan,
    echo: SocketAddr,
    sent: &Sent,
    probes: bool,
) -> Result<Traced> {
    run_with(envoy, plan, echo, probes, async |address| client::send(address, sent).await).await
}

/// Does with the gateway whatever `exchange` does, which is to be one request, and traces it.
///
/// # Errors
///
/// Envoy does not start, or the exchange fails.
pub async fn run_with(
    envoy: &crate::Envoy,
    plan: &Plan,
    echo: SocketAddr,
    probes: bool,
    exchange: impl AsyncFnOnce(SocketAddr) -> Result<Option<Answer>>,
) -> Result<Traced> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("probe.wasm");
    std::fs::write(&module, wat::parse_str(PROBE).context("assembling the probe")?)?;
    let probe = |number: usize| Wasm::new(&format!("{NAME}{number}"), &module);
    // One more in front of the first: what lies between the two is the probe's own time.
    let mut filters: Vec<Wasm> = probes.then(|| probe(plan.plugins.len() + 1)).into_iter().collect();
    for (number, planned) in plan.plugins.iter().enumerate() {
        filters.extend(probes.then(|| probe(number)));
        filters.push(planned.wasm.clone());
    }
    filters.extend(probes.then(|| probe(plan.plugins.len())));
    let (routes, clusters) = plan.routes.for_envoy(echo);
    let bootstrap = Bootstrap::new(filters, routes, clusters);
    let level = if probes { LogLevel::Trace } else { LogLevel::Info };
    let process = Process::start(envoy, &bootstrap, level)?;
    if probes {
        // Call-outs are seen where they leave, and where their answers come.
        for component in ["router", "http"] {
            crate::admin::post(process.admin(), &format!("/logging?{component}=debug"))?;
        }
    }
    let (log, access) = (process.log_mark()?, process.access_mark()?);
    let answer = exchange(process.address()).await?;
    let deadline = Instant::now() + PATIENCE;
    let access = loop {
        let (lines, _) = process.access_since(access)?;
        if let Some(line) = lines.into_iter().next() {
            break Some(line);
        }
        if Instant::now() > deadline {
            break None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let names: Vec<&str> = plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
    let events = process.log_since(log)?.iter().filter_map(|line| Event::of(line, &names)).collect();
    Ok(Traced { answer, access, events, metrics: process.plugin_counters()? })
}
