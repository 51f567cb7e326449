//! Tracing of a request: an Envoy with one worker runs the folder's plug-ins with a probe before, between and after them,
//! and gets one request.
//!
//! The probe is a Wasm filter (`probe.wat`) that reads everything that passes and logs it. It returns "continue" from every
//! callback and never writes, so neither buffering nor pauses of the plug-ins change.

mod analysis;
mod events;
mod json;
mod redact;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::client::{self, Request, Response};
use crate::hosted::Hosted;
use crate::plan::Plan;
use crate::secret::Redactor;
use crate::{AccessLine, Bootstrap, LogLevel, Process, Wasm};

pub use analysis::{Call, CallEnd, Hop, Message, Responder, Trace};
pub use events::{Direction, Event};
pub use json::json;
pub use redact::redacted;

/// The probe's module.
const PROBE: &str = include_str!("trace/probe.wat");

/// The name of the probes, followed by their number.
const NAME: &str = "portcullis-probe-";

/// How long Envoy may take to write its access log after a response.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One request, and everything that was recorded of it.
#[derive(Debug)]
pub struct Capture {
    /// The response that the client received, if any.
    pub response: Option<Response>,
    /// Its line of the access log, if the request ended.
    pub access: Option<AccessLine>,
    /// The events, in order.
    pub events: Vec<Event>,
    /// The counters and gauges of the plug-ins afterwards.
    pub metrics: Vec<(String, u64)>,
}

/// Hides the secrets of a request.
#[must_use]
pub fn redactor_of(request: &Request) -> Redactor {
    let mut redactor = Redactor::default();
    redactor.learn(b":path", request.path.as_bytes());
    for (name, value) in request.headers.iter().chain(&request.trailers) {
        redactor.learn(name.as_str().as_bytes(), value.as_bytes());
    }
    redactor
}

/// Hides the secrets of a request and of everything that was recorded of it.
#[must_use]
pub fn redactor(request: &Request, capture: &Capture, trace: &Trace) -> Redactor {
    let mut redactor = redactor_of(request);
    let response = capture.response.iter().flat_map(|response| [&response.headers, &response.trailers]);
    for (name, value) in response.flatten() {
        redactor.learn(name.as_str().as_bytes(), value.as_bytes());
    }
    for hop in &trace.hops {
        for message in
            [&hop.request.0, &hop.request.1, &hop.response.0, &hop.response.1].into_iter().flatten()
        {
            message
                .headers
                .iter()
                .chain(&message.trailers)
                .for_each(|(name, value)| redactor.learn(name, value));
        }
        hop.calls.iter().for_each(|call| redactor.learn(b":path", call.path.as_bytes()));
    }
    redactor
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
    request: &Request,
    probes: bool,
) -> Result<Capture> {
    run_with(envoy, plan, echo, probes, async |address| client::send(address, request).await).await
}

/// Runs `exchange`, which must send one request, through the plug-ins of a plan, with probes or without.
///
/// # Errors
///
/// Envoy does not start, or the exchange fails.
pub async fn run_with(
    envoy: &crate::Envoy,
    plan: &Plan,
    echo: SocketAddr,
    probes: bool,
    exchange: impl AsyncFnOnce(SocketAddr) -> Result<Option<Response>>,
) -> Result<Capture> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("probe.wasm");
    std::fs::write(&module, wat::parse_str(PROBE).context("assembling the probe")?)?;
    let probe = |number: usize| Wasm::new(&format!("{NAME}{number}"), &module);
    // One more before the first: the time between the two is the probe's own.
    let mut filters: Vec<Wasm> = probes.then(|| probe(plan.plugins.len() + 1)).into_iter().collect();
    for (number, planned) in plan.plugins.iter().enumerate() {
        filters.extend(probes.then(|| probe(number)));
        filters.push(planned.wasm.clone());
    }
    filters.extend(probes.then(|| probe(plan.plugins.len())));
    let (routes, mut clusters) = plan.routes.for_envoy(echo);
    let hosted = Hosted::start(&plan.routes)?;
    hosted.redirect(&mut clusters);
    let bootstrap = Bootstrap::new(filters, routes, clusters);
    let level = if probes { LogLevel::Trace } else { LogLevel::Info };
    let process = Process::start(envoy, &bootstrap, level)?;
    if probes {
        // HTTP calls of plug-ins appear in these logs, with their responses.
        for component in ["router", "http"] {
            crate::admin::post(process.admin(), &format!("/logging?{component}=debug"))?;
        }
    }
    let (log, access) = (process.log_mark()?, process.access_mark()?);
    let response = exchange(process.address()).await?;
    let deadline = Instant::now() + TIMEOUT;
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
    Ok(Capture { response, access, events, metrics: process.plugin_counters()? })
}
