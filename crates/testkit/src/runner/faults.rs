//! A faulty gateway: every host call fails with every status, services do not respond or do not exist, and clients
//! that go away in the middle of their body.
//!
//! Natively all of it. In the module, which takes longer, every host call fails with a few statuses, in a few of the cases
//! that make it. Requests are sent in sequence, and concurrently in an order determined by the seed.
//!
//! In all cases, the VM must continue, and every request must end without leaving state. A plug-in that fails closed must
//! not pass what it stops without faults, and one that fails open must not stop what it passes without faults. With concurrent
//! requests, this does not apply to a plug-in that declares that their order matters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use resource::FailStrategy;
use serde::Deserialize;

use super::{line, with_upstreams};
use crate::case::{Case, Order, Request, ServiceAnswer, Then, Upstream};
use crate::changes::declared;
use crate::cuts::SEED;
use crate::{Declare, Engine, Load};
use engine::outcome::Outcome;

/// The statuses of ABI 0.2.1 that are not OK.
const STATUSES: std::ops::RangeInclusive<u32> = 1..=12;

/// The status "not found", which a plug-in may believe.
const NOT_FOUND: u32 = 1;

/// Calls whose failure is handled as configured.
const CONFIGURED: [&str; 2] = ["proxy_http_call", "proxy_grpc_call"];

/// The call without which a callback of one stream cannot continue another that waits for the same.
const CHANGES_STREAM: &str = "proxy_set_effective_context";

/// The statuses that a module's host calls fail with: no such thing, a wrong argument, and a failure of the host.
const STATUSES_IN_MODULE: [u32; 3] = [NOT_FOUND, 2, 10];

/// The maximum number of cases in which each host call fails in the module.
const CASES_IN_MODULE: usize = 3;

/// The statuses with which host calls fail while requests are open at once.
const STATUSES_AT_ONCE: [u32; 2] = [2, 10];

/// Limits of bytes and requests of a case: larger cases would take too long when repeated.
const LARGEST: usize = 64 * 1024;
const MOST_REPEATS: u32 = 20;

/// The extent of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breadth {
    /// Every case with every fault.
    All,
    /// Every host call, with a few statuses in a few cases.
    EveryCall,
}

/// Whether a plug-in answers for its host calls itself, as the classic style does, so that nothing is known of what a
/// failure means.
pub(super) fn is_classic(native: &dyn Engine, cases: &[std::sync::Arc<Case>]) -> anyhow::Result<bool> {
    for case in cases.iter().filter(|case| is_short(case)) {
        let Then::Requests(requests) = &case.then else { continue };
        if let Some((outcomes, _)) = outcomes(native, case, requests, None)? {
            return Ok(outcomes.iter().any(|outcome| outcome.left.is_none()));
        }
    }
    Ok(true)
}

/// Runs cases with faults.
pub(super) fn run(
    engine: &dyn Engine,
    directory: &Path,
    cases: &[std::sync::Arc<Case>],
    declare: Declare,
    breadth: Breadth,
    seed: u64,
) -> anyhow::Result<()> {
    let strategy = fail_strategy(directory)?;
    let mut tried: BTreeMap<&'static str, usize> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.setup.gateway.fails.is_empty() && is_short(case)) {
        let Then::Requests(requests) = &case.then else { continue };
        let Some((usual, calls)) = outcomes(engine, case, requests, None)? else { continue };
        let is_ordered = declared(declare, &case.setup).is_ordered();
        let statuses: Vec<u32> = match breadth {
            Breadth::All => STATUSES.collect(),
            Breadth::EveryCall => STATUSES_IN_MODULE.to_vec(),
        };
        for call in calls {
            let times = tried.entry(call).or_default();
            *times += 1;
            if breadth == Breadth::EveryCall && *times > CASES_IN_MODULE {
                continue;
            }
            for &status in &statuses {
                let mut failing = Case::clone(case);
                failing.setup.gateway.fails.insert(call.to_owned(), status);
                let what = || format!("case `{}`: {call} fails with status {status}", case.name);
                let judge = |usual: &Outcome, outcome: &Outcome| {
                    let is_an_answer = status == NOT_FOUND || CONFIGURED.contains(&call);
                    if is_an_answer { Ok(()) } else { kept(strategy, usual, outcome) }
                };
                compare(engine, &failing, requests, &usual, None, judge).with_context(what)?;
                if requests.len() > 1 && STATUSES_AT_ONCE.contains(&status) && call != CHANGES_STREAM {
                    let what = || format!("{}, concurrent requests ({SEED}={seed})", what());
                    let judge = |usual: &Outcome, outcome: &Outcome| match is_ordered {
                        true => Ok(()),
                        false => judge(usual, outcome),
                    };
                    compare(engine, &failing, requests, &usual, Some(seed), judge).with_context(what)?;
                }
            }
        }
        if requests.len() > 1 {
            let what = || format!("case `{}`: concurrent requests ({SEED}={seed})", case.name);
            let judge = |usual: &Outcome, outcome: &Outcome| match is_ordered {
                true => Ok(()),
                false => kept(strategy, usual, outcome),
            };
            compare(engine, case, requests, &usual, Some(seed), judge).with_context(what)?;
            let what = || {
                format!("case `{}`: requests at once, and other configurations ({SEED}={seed})", case.name)
            };
            // Which requests meet which of them is not known: they are answered, and nothing is left of them.
            let reconfigured = Order::Random { seed, changes: changes(case) };
            compare_in(engine, case, requests, &usual, Some(&reconfigured), |_, _| Ok(()))
                .with_context(what)?;
        }
        if breadth == Breadth::EveryCall {
            continue;
        }
        for answer in [ServiceAnswer::None, ServiceAnswer::Closed] {
            let mut requests = requests.clone();
            for service in requests.iter_mut().flat_map(|request| &mut request.services) {
                service.answer = answer.clone();
            }
            let what = || format!("case `{}`: services: {answer:?}", case.name);
            compare(engine, case, &requests, &usual, None, |_, _| Ok(())).with_context(what)?;
            let what = || format!("{}, concurrent requests ({SEED}={seed})", what());
            compare(engine, case, &requests, &usual, Some(seed), |_, _| Ok(())).with_context(what)?;
        }
        going_away(engine, case, requests, &usual)?;
    }
    Ok(())
}

/// Clients, and the upstream, that go away after each piece.
fn going_away(
    engine: &dyn Engine,
    case: &Case,
    requests: &[Request],
    usual: &[Outcome],
) -> anyhow::Result<()> {
    for after in 0..3 {
        let mut gone = requests.to_vec();
        for request in &mut gone {
            if request.body.is_some() && request.reset_when_called.is_none() {
                request.reset_after = Some(after.min(request.pieces().len()));
                request.trailers.clear();
            }
        }
        let what = || format!("case `{}`: clients disconnect after {after} pieces", case.name);
        compare(engine, case, &gone, usual, None, |_, _| Ok(())).with_context(what)?;
        compare(engine, case, &gone, usual, Some(after as u64), |_, _| Ok(())).with_context(what)?;
        let mut cut = Case::clone(case);
        cut.upstream = Upstream { reset_after: Some(after), trailers: Vec::new(), ..cut.upstream };
        let what = || format!("case `{}`: the upstream disconnects after {after} pieces", case.name);
        compare(engine, &cut, requests, usual, None, |_, _| Ok(())).with_context(what)?;
    }
    Ok(())
}

/// Configurations that are applied while requests are open: an invalid one, the same again, and an invalid one.
fn changes(case: &Case) -> Vec<Option<String>> {
    vec![Some("{".into()), case.setup.configuration.clone(), Some("[]".into())]
}

fn compare(
    engine: &dyn Engine,
    case: &Case,
    requests: &[Request],
    usual: &[Outcome],
    at_once: Option<u64>,
    judge: impl Fn(&Outcome, &Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let order = at_once.map(|seed| Order::Random { seed, changes: Vec::new() });
    compare_in(engine, case, requests, usual, order.as_ref(), judge)
}

/// Compares requests that go out one after the other, or at once in this order.
fn compare_in(
    engine: &dyn Engine,
    case: &Case,
    requests: &[Request],
    usual: &[Outcome],
    at_once: Option<&Order>,
    judge: impl Fn(&Outcome, &Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if at_once.is_some() && !requests.iter().all(|request| can_be_open_at_once(request, case)) {
        return Ok(());
    }
    // A configuration may be rejected because of it.
    let Some((outcomes, _)) = outcomes(engine, case, requests, at_once)? else { return Ok(()) };
    for ((request, usual), outcome) in requests.iter().zip(usual).zip(&outcomes) {
        let upstream = request.upstream.as_ref().unwrap_or(&case.upstream);
        answered(request, upstream, outcome)
            .and_then(|()| judge(usual, outcome))
            .with_context(|| line(request))?;
    }
    Ok(())
}

/// Whether a request supports concurrency in any order of parts.
fn can_be_open_at_once(request: &Request, case: &Case) -> bool {
    let upstream = request.upstream.as_ref().unwrap_or(&case.upstream);
    request.repeat == 1
        && request.time.is_none()
        && request.talk.is_empty()
        && !request.is_upgrade()
        && !upstream.echo
        && !upstream.open
        && case.setup.gateway.workers == 1
}

/// What comes of the requests, one after the other or at once in this order, and the names of the host
/// calls; nothing where the configuration is refused.
fn outcomes(
    engine: &dyn Engine,
    case: &Case,
    requests: &[Request],
    at_once: Option<&Order>,
) -> anyhow::Result<Option<(Vec<Outcome>, BTreeSet<&'static str>)>> {
    let Load::Loaded(mut loaded) = engine.load(&case.setup)? else { return Ok(None) };
    let mut outcomes = Vec::new();
    if let Some(order) = at_once {
        let all: Vec<_> = requests.iter().collect();
        outcomes = loaded.interleave(&with_upstreams(&all, case), order)?;
    }
    for request in requests.iter().filter(|_| at_once.is_none()) {
        let upstream = request.upstream.as_ref().unwrap_or(&case.upstream);
        let mut outcome = loaded.exchange(request, upstream).with_context(|| line(request))?;
        for _ in 1..request.repeat {
            outcome = loaded.exchange(request, upstream).with_context(|| line(request))?;
        }
        outcomes.push(outcome);
    }
    let calls = outcomes.last().map(|outcome| outcome.called.clone()).unwrap_or_default();
    Ok(Some((outcomes, calls)))
}

/// Whether a request has ended without leaving state.
fn answered(request: &Request, upstream: &Upstream, outcome: &Outcome) -> anyhow::Result<()> {
    let goes_away = request.reset_after.is_some() || request.reset_when_called.is_some();
    // A gRPC stream has no timeout in this ABI, so it may wait as long as the gateway allows.
    let may_wait = outcome.called.contains("proxy_grpc_stream");
    let ended = outcome.answer.is_some() || outcome.closed || goes_away || upstream.reset_after.is_some();
    if !ended && !may_wait {
        bail!("it is never answered");
    }
    match outcome.left {
        Some(0) | None => Ok(()),
        Some(left) => bail!("{left} streams or calls are left of it"),
    }
}

/// Whether a fault made the plug-in pass or stop requests contrary to its strategy.
fn kept(strategy: FailStrategy, usual: &Outcome, outcome: &Outcome) -> anyhow::Result<()> {
    match (strategy, &usual.upstream, &outcome.upstream) {
        (FailStrategy::Close, None, Some(_)) if usual.answer.is_some() => {
            bail!(
                "the plug-in fails closed, but a request that it stops without faults has reached the upstream"
            )
        }
        (FailStrategy::Open, Some(_), None) => {
            bail!("the plug-in fails open, but a request that it passes without faults has been stopped")
        }
        _ => Ok(()),
    }
}

fn is_short(case: &Case) -> bool {
    let Then::Requests(requests) = &case.then else { return false };
    let bodies = requests.iter().map(|request| request.body.as_deref().map_or(0, <[u8]>::len));
    let headers = requests.iter().flat_map(|request| &request.headers).map(|(_, value)| value.len());
    let configuration = case.setup.configuration.as_ref().map_or(0, String::len);
    bodies.chain(headers).sum::<usize>() + configuration <= LARGEST
        && requests.iter().all(|request| request.answers.is_empty() && request.repeat <= MOST_REPEATS)
}

fn fail_strategy(directory: &Path) -> anyhow::Result<FailStrategy> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        fail_strategy: FailStrategy,
    }
    let file = directory.join("plugin.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let manifest: Manifest =
        serde_yaml::from_str(&text).with_context(|| format!("{}: failStrategy", file.display()))?;
    Ok(manifest.fail_strategy)
}
