//! The mock host against Envoy: the same requests go through both, and what the client, the upstream and the services
//! saw must be the same.
//!
//! Requests are those of the [scenarios](super::Scenario), in blocks of one configuration each: a block has a VM and an
//! Envoy of its own, so that what a plug-in remembers is the same in both, and both have the same clock, which each
//! scenario sets. Several blocks run at once. A difference counts if it is there again when the block is repeated: timers
//! run in Envoy alone.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use super::material::{Material, is_open_ended};
use super::scenario::Scenario;
use super::{Bounds, Finding};
use crate::envoy::EnvoyEngine;
use crate::{Engine, Load, Loaded};
use engine::ByteString;
use engine::Random;
use engine::Shown;
use engine::exchange::{Header, Protocol, Request, Setup, TalkStep, Upstream};
use engine::outcome::{Answer, Outcome, UpstreamRequest};

/// The number of scenarios with one configuration: few, to cover every case early.
const BLOCK: usize = 40;

/// The number of concurrent blocks. Each mostly waits for Envoy or its log.
const LANES: usize = 8;

/// The longest input, in bytes.
const LONGEST: usize = 600;

/// The interval of progress reports.
const REPORTED: Duration = Duration::from_secs(10);

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Compared {
    /// Requests of which both outcomes were compared.
    pub requests: u64,
    /// Requests that Envoy's codec rejected before any filter, or that a client cannot send.
    pub not_compared: u64,
    /// Differences that were not there again.
    pub not_repeated: u64,
    /// The folder of the recorded differences.
    pub findings: Vec<PathBuf>,
}

impl Compared {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.not_compared += other.not_compared;
        self.not_repeated += other.not_repeated;
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, not_compared, not_repeated, findings } = self;
        write!(f, "{requests} requests compared with Envoy, {} differences", findings.len())?;
        write!(f, " ({not_compared} rejected before any plug-in, {not_repeated} differences not repeated)")
    }
}

/// Compares the engine `mock` with Envoy, both with the plug-in of this name: in Envoy with `module`. `bounds.runs` are
/// requests.
///
/// # Errors
///
/// The cases cannot be read, Envoy does not start, or a difference cannot be written down.
pub fn against(
    directory: &Path,
    plugin: &str,
    mock: &dyn Engine,
    module: &Path,
    seed: u64,
    bounds: Bounds,
    findings: &Path,
) -> anyhow::Result<Compared> {
    let materials = Material::with_open_ended(&directory.join("tests/cases.yaml"))?.one_by_one();
    if materials.is_empty() {
        bail!("no case of {plugin} runs in Envoy: write one");
    }
    let start = Instant::now();
    let progress = Progress { compared: Compared::default(), reported: start };
    let blocks = Mutex::new((0, Random::new(seed)));
    let work =
        Work { plugin, mock, module, materials, bounds, findings, blocks, progress: progress.into(), start };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(|| work.lane())).collect();
        let ended =
            lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|_| bail!("a thread has panicked")));
        ended.collect::<anyhow::Result<Vec<()>>>()
    })?;
    Ok(work.progress.into_inner().unwrap_or_else(PoisonError::into_inner).compared)
}

/// A comparison, which several threads share: each takes the next block when it is done with one.
struct Work<'w> {
    plugin: &'w str,
    mock: &'w dyn Engine,
    module: &'w Path,
    materials: Vec<Material>,
    bounds: Bounds,
    findings: &'w Path,
    /// The number of the next block, which determines its seed.
    blocks: Mutex<(usize, Random)>,
    progress: Mutex<Progress>,
    start: Instant,
}

struct Progress {
    compared: Compared,
    reported: Instant,
}

impl Work<'_> {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_on(&self) -> bool {
        let compared = &self.progress().compared;
        self.bounds.runs.is_none_or(|runs| compared.requests < runs)
            && self.bounds.time.is_none_or(|time| self.start.elapsed() < time)
            && compared.findings.len() < self.bounds.findings
    }

    /// Works off blocks until there has been enough.
    fn lane(&self) -> anyhow::Result<()> {
        while self.goes_on() {
            let (turn, seed) = {
                let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
                let (turn, random) = &mut *blocks;
                *turn += 1;
                (*turn - 1, random.number())
            };
            let material = self.materials.get(turn % self.materials.len()).context("there is a case")?;
            let Self { plugin, mock, module, .. } = *self;
            let block = Block { plugin, mock, module, material, clock: Duration::ZERO, sent: Vec::new() };
            self.block(block, seed)?;
        }
        Ok(())
    }

    fn block(&self, mut block: Block<'_>, seed: u64) -> anyhow::Result<()> {
        let Some(mut pair) = block.start()? else { return Ok(()) };
        let mut random = Random::new(seed);
        for _ in 0..BLOCK {
            if !self.goes_on() {
                return Ok(());
            }
            let size = random.below(LONGEST);
            let bytes = random.bytes(size);
            block.clock += pause(&mut random);
            let mut compared = Compared::default();
            let end = block.scenario(&mut pair, &bytes, &mut compared)?;
            let over = end.is_some();
            if let Some(End::Difference(difference)) = end {
                if block.repeats()? {
                    let scenario = Scenario::read(&bytes, block.material);
                    let finding = Finding::new(&bytes, &scenario, block.material, &anyhow!(difference));
                    let file = finding.save(self.findings)?;
                    eprintln!("found {}: {finding}", file.display());
                    compared.findings.push(file);
                } else {
                    compared.not_repeated += 1;
                }
            }
            let mut progress = self.progress();
            progress.compared.add(compared);
            if progress.reported.elapsed() > REPORTED {
                progress.reported = Instant::now();
                eprintln!("{:.0} s: {}", self.start.elapsed().as_secs_f64(), progress.compared);
            }
            if over {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The requests of one configuration.
struct Block<'b> {
    plugin: &'b str,
    mock: &'b dyn Engine,
    module: &'b Path,
    material: &'b Material,
    /// The time since the start.
    clock: Duration,
    /// The requests so far, to repeat them.
    sent: Vec<(Request, Upstream)>,
}

/// Why a block ends before its last scenario.
enum End {
    Difference(String),
    /// Envoy's plug-in may remember a request that the other has not seen.
    PartlySeen,
}

/// The result of sending a request through both.
enum Exchanged {
    /// No filter of Envoy received it, or its outcome says nothing of them.
    NotCompared,
    /// A codec refused its trailers, when filters may have received the rest.
    PartlySeen,
    /// The differences, if any.
    Compared(Result<(), String>),
}

/// The same plug-in with the same configuration, twice.
struct Pair {
    mock: Box<dyn Loaded>,
    envoy: Box<dyn Loaded>,
    /// Whether the upstream speaks HTTP/2.
    http2: bool,
    /// Envoy ends with it.
    _engine: EnvoyEngine,
}

impl Block<'_> {
    fn setup(&self) -> anyhow::Result<&Setup> {
        Ok(&self.material.cases.first().context("there is a case")?.setup)
    }

    /// Both, unless both reject the configuration.
    fn start(&self) -> anyhow::Result<Option<Pair>> {
        let setup = self.setup()?;
        let engine = EnvoyEngine::new(self.plugin, self.module.into()).with_clock();
        match (self.mock.load(setup)?, engine.load(setup)?) {
            (Load::Loaded(mock), Load::Loaded(envoy)) => {
                let http2 = setup.gateway.upstream_protocol == Protocol::Http2;
                Ok(Some(Pair { mock, envoy, http2, _engine: engine }))
            }
            (Load::Refused { .. }, Load::Refused { .. }) => Ok(None),
            _ => bail!("the mock host and Envoy do not agree on a configuration: {:?}", setup.configuration),
        }
    }

    /// Sends the requests of a scenario through both, up to the end of the block, if it comes.
    fn scenario(
        &mut self,
        pair: &mut Pair,
        bytes: &[u8],
        compared: &mut Compared,
    ) -> anyhow::Result<Option<End>> {
        let scenario = Scenario::read(bytes, self.material);
        if scenario.own_configuration {
            return Ok(None);
        }
        let both = scenario.requests.into_iter().flat_map(|pair| {
            let cut = Some(pair.cut).filter(|_| !is_open_ended(&pair.whole));
            [Some(pair.whole), cut].into_iter().flatten()
        });
        for request in both {
            // The amount of data read before a client disconnects is random.
            if request.reset_after.is_some() || request.reset_when_called.is_some() {
                continue;
            }
            let upstream = request.upstream.clone().unwrap_or_else(|| scenario.upstream.clone());
            let request = Request { time: Some(self.clock.into()), ..request };
            self.sent.push((request.clone(), upstream.clone()));
            match pair.exchange(&request, &upstream)? {
                Exchanged::NotCompared => compared.not_compared += 1,
                Exchanged::PartlySeen => {
                    compared.not_compared += 1;
                    return Ok(Some(End::PartlySeen));
                }
                Exchanged::Compared(Ok(())) => compared.requests += 1,
                Exchanged::Compared(Err(message)) => {
                    compared.requests += 1;
                    let method = String::from_utf8_lossy(&request.method).into_owned();
                    let seconds = self.clock.as_secs_f64();
                    let path = Shown(&request.path);
                    let difference = format!("{method} {path} after {seconds} s: {message}");
                    return Ok(Some(End::Difference(difference)));
                }
            }
        }
        Ok(None)
    }

    /// Whether the last request differs again, after all requests before it.
    fn repeats(&self) -> anyhow::Result<bool> {
        let Some(mut pair) = self.start()? else { return Ok(false) };
        let mut last = None;
        for (request, upstream) in &self.sent {
            last = Some(pair.exchange(request, upstream)?);
        }
        Ok(matches!(last, Some(Exchanged::Compared(Err(_)))))
    }
}

impl Pair {
    /// Whether the upstream's HTTP/2 has refused what Envoy has sent: a library's takes less.
    fn is_refused_by_library(&self, outcome: &Outcome) -> bool {
        let details = outcome.details.as_deref().unwrap_or_default();
        self.http2
            && outcome.upstream.is_none()
            && details.starts_with("upstream_reset_before_response_started")
    }

    /// An outcome as its upstream can tell: a library of HTTP/2 keeps no order among headers of different names.
    fn ordered(&self, mut outcome: Outcome) -> Outcome {
        if self.http2
            && let Some(seen) = &mut outcome.upstream
        {
            seen.headers.sort_by(|(a, _), (b, _)| a.cmp(b));
            seen.trailers.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        outcome
    }

    /// Sends a request through both.
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Exchanged> {
        // Skip requests that no client can send.
        let Ok(envoy) = self.envoy.exchange(request, upstream) else { return Ok(Exchanged::NotCompared) };
        if is_refused_early(&envoy) {
            return Ok(match request.ends_with_headers() || are_headers_refused(request, &envoy) {
                true => Exchanged::NotCompared,
                false => Exchanged::PartlySeen,
            });
        }
        let mock = self.mock.exchange(request, upstream)?;
        Ok(match self.is_refused_by_library(&envoy) {
            true => Exchanged::NotCompared,
            false => Exchanged::Compared(same(request, &self.ordered(mock), &self.ordered(envoy))),
        })
    }
}

/// The time between two scenarios: mostly none or little, so that what happens in one second, minute or hour adds up, and
/// now and then enough to begin the next one.
fn pause(random: &mut Random) -> Duration {
    let longest = match random.below(100) {
        0..40 => return Duration::ZERO,
        40..70 => Duration::from_millis(50),
        70..90 => Duration::from_secs(1),
        90..99 => Duration::from_secs(100),
        _ => Duration::from_secs(2 * 60 * 60),
    };
    // Whole microseconds: a time in seconds has no room for more.
    let longest = usize::try_from(longest.as_micros()).unwrap_or(usize::MAX);
    Duration::from_micros(u64::try_from(random.below(longest)).unwrap_or_default())
}

/// Whether Envoy responded before its filters, in its codecs or its connection manager.
fn is_refused_early(outcome: &Outcome) -> bool {
    const EARLY: [&str; 8] = [
        "http1.",
        "http2.",
        "http.invalid_authority",
        "path_normalization_failed",
        "missing_host_header",
        "missing_path_rejected",
        "request_headers_too_large",
        "low_version",
    ];
    let details = outcome.details.as_deref().unwrap_or_default();
    let refused = outcome.answer.as_ref().is_none_or(|answer| matches!(answer.status, 400 | 431 | 501));
    EARLY.iter().any(|early| details.starts_with(early)) || (details.is_empty() && refused)
}

/// Whether a refusal is about the headers: the codecs refuse trailers as well.
fn are_headers_refused(request: &Request, outcome: &Outcome) -> bool {
    let details = outcome.details.as_deref().unwrap_or_default();
    let is_of_codec = details.is_empty() || details.starts_with("http1.") || details.starts_with("http2.");
    let fields = request.headers.iter().flat_map(|(name, value)| [name, value]);
    let mut texts = fields.chain([&request.method, &request.path, &request.host]);
    !is_of_codec || texts.any(|text| text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'))
}

/// The parts that must be equal.
fn same(request: &Request, mock: &Outcome, envoy: &Outcome) -> Result<(), String> {
    // A client that leaves in the middle does not see everything, and neither does the upstream.
    let leaves =
        is_open_ended(request) && !matches!(request.talk.last(), Some(TalkStep::End | TalkStep::Receive(_)));
    let without_body = |answer: &Option<Answer>| {
        let answer = answer.clone()?;
        Some(if leaves && answer.status < 300 {
            Answer { body: ByteString::default(), ..answer }
        } else {
            answer
        })
    };
    let seen = |seen: &Option<UpstreamRequest>| {
        let seen = seen.clone()?;
        Some(if leaves { UpstreamRequest { body: ByteString::default(), ..seen } } else { seen })
    };
    let pairs = [
        (
            "the answer",
            answer(without_body(&mock.answer).as_ref()),
            answer(without_body(&envoy.answer).as_ref()),
        ),
        (
            "the upstream's request",
            upstream(seen(&mock.upstream).as_ref(), request),
            upstream(seen(&envoy.upstream).as_ref(), request),
        ),
        ("the details", details(mock, request), details(envoy, request)),
        ("the talk", stalled(mock), stalled(envoy)),
        ("the calls", calls(mock, request), calls(envoy, request)),
        ("the counters", format!("{:?}", counted(mock)), format!("{:?}", counted(envoy))),
    ];
    let mut differences = String::new();
    for (what, mock, envoy) in pairs.iter().filter(|(_, mock, envoy)| mock != envoy) {
        differences += &format!("{what} differs\n  mock  {mock}\n  Envoy {envoy}\n");
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

/// The details, without those of a client that leaves a stream which has no end.
fn details(outcome: &Outcome, request: &Request) -> String {
    const LEFT: &str = "downstream_remote_disconnect";
    let details = outcome.details.as_ref().filter(|details| *details != LEFT || !is_open_ended(request));
    format!("{details:?}")
}

/// The step at which a talk has stopped.
fn stalled(outcome: &Outcome) -> String {
    outcome
        .stalled
        .as_ref()
        .map_or_else(|| "to its end".into(), |stall| format!("stalled at step {}", stall.step))
}

fn counted(outcome: &Outcome) -> Vec<(&String, &u64)> {
    outcome.counters.iter().filter(|(_, value)| **value > 0).collect()
}

fn answer(answer: Option<&Answer>) -> String {
    /// What the codec writes for the client, and what is another in each request.
    const OWN: [&str; 4] = ["connection", "date", "server", "x-envoy-upstream-service-time"];
    let Some(Answer { status, headers, body, trailers, cut_off }) = answer else { return "none".into() };
    let cut = cut_off.is_some();
    // Envoy drops unsent data on a reset.
    let body = if cut { String::new() } else { format!("{body:?}") };
    format!("{status} {:?} {body} {trailers:?} cut off {cut}", fields(headers, &OWN))
}

fn upstream(seen: Option<&UpstreamRequest>, request: &Request) -> String {
    const OWN: [&str; 1] = ["x-request-id"];
    let Some(UpstreamRequest { method, path, host, headers, body, trailers }) = seen else {
        return "none".into();
    };
    // Its own of a client that sends none.
    let own: &[&str] =
        match request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"x-request-id")) {
            true => &[],
            false => &OWN,
        };
    format!("{method:?} {path:?} {host:?} {:?} {body:?} {trailers:?}", fields(headers, own))
}

fn calls(outcome: &Outcome, request: &Request) -> String {
    let call =
        |call: &engine::outcome::Call| format!("{} {}", call.cluster, upstream(Some(&call.request), request));
    outcome.calls.iter().map(call).collect::<Vec<_>>().join("\n    ")
}

/// Headers without those that frame a body, which are the codec's, and without these.
fn fields<'h>(headers: &'h [Header], without: &[&str]) -> Vec<&'h Header> {
    let named = |name: &[u8]| without.iter().any(|other| other.as_bytes() == name);
    headers.iter().filter(|(name, _)| !crate::cuts::frames(name) && !named(name)).collect()
}
