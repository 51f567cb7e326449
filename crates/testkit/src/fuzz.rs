//! Random requests and configurations: bytes become a scenario, which goes through two VMs,
//! and what comes of it must hold whatever the bytes are.
//!
//! What must hold of every scenario ("the oracle"):
//!
//! - nothing stops the VM, whatever the configuration and the request hold;
//! - every request that is sent whole is answered;
//! - the answer, and what reaches the upstream and the services, is the same however a body is cut, and whether or not
//!   it ends with trailers, and whatever other requests are open at the same time, also while configurations come that
//!   the plug-in refuses;
//! - the upstream and the client see every header as they do without the plug-in, but for those that its tests
//!   [declare](crate::Changes);
//! - a module's memory stays within [`MOST_PAGES`], and its instructions within [`MOST_PER_BYTE`].
//!
//! Bytes come from a coverage-guided fuzzer, or from a seed ([`seeded`]). `cargo xtask fuzz` runs both, and with `--slow` a
//! [search](slow) for requests that cost more than others of their size.

mod against;
mod finding;
pub mod guided;
mod material;
mod scenario;
mod seeded;
mod slow;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use anyhow::{Context, bail};

pub use self::against::{Compared, against};
pub use self::finding::Finding;
use self::material::Material;
use self::scenario::Scenario;
pub use self::seeded::{Bounds, Ran, seeded};
pub use self::slow::{Measure, Search, Searched, Worst, slow};
use crate::changes::{declared, undeclared};
use crate::{Changes, Declare, Engine, Load, Loaded};
use engine::exchange::{Order, Request, Setup, Upstream};
use engine::outcome::{Answer, Outcome, UpstreamRequest};

/// The memory that a VM may come to, in pages of 64 KiB: 64 MiB, many times the largest body.
pub const MOST_PAGES: u64 = 1024;

/// The instructions that a request may cost for each of its bytes, several times what the most expensive search takes. Each may
/// also take [`FOR_ANY`].
pub const MOST_PER_BYTE: u64 = 20_000;

/// The instructions that a request of any size may cost: signatures take tens of millions, and the steps to which a schema is
/// limited hundreds.
pub const FOR_ANY: u64 = 500_000_000;

/// So many scenarios share two VMs, because configuring takes longer than a request.
const SHARED_BY: u32 = 20_000;

/// Runs scenarios on one engine.
pub struct Fuzzer {
    engine: Box<dyn Engine>,
    material: Material,
    changes: Declare,
    /// VMs with a case's configuration, by the case's place.
    ready: Vec<Option<Ready>>,
    /// Requests sent so far.
    requests: u64,
}

struct Ready {
    vms: Vms,
    uses: u32,
}

/// Two VMs with one configuration: what one gets whole the other gets in pieces. And a gateway without any plug-in.
struct Vms {
    whole: Vm,
    cut: Vm,
    plain: Box<dyn Loaded>,
    changes: Changes,
}

struct Vm {
    loaded: Box<dyn Loaded>,
    /// The counters after the request before, on an engine that counts from the start.
    counters: BTreeMap<String, u64>,
}

impl Vm {
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        let mut outcome = self.loaded.exchange(request, upstream)?;
        self.count(&mut outcome);
        Ok(outcome)
    }

    /// Sends requests at once. What all have counted is with the last.
    fn interleave(
        &mut self,
        requests: &[(Request, Upstream)],
        order: &Order,
    ) -> anyhow::Result<VecDeque<Outcome>> {
        let mut outcomes = self.loaded.interleave(requests, order)?;
        if let Some((last, others)) = outcomes.split_last_mut() {
            self.count(last);
            others.iter_mut().for_each(|outcome| outcome.counters.clear());
        }
        Ok(outcomes.into())
    }

    /// Leaves what was counted since the request before.
    fn count(&mut self, outcome: &mut Outcome) {
        let before = std::mem::replace(&mut self.counters, outcome.counters.clone());
        for (name, value) in &mut outcome.counters {
            *value = value.saturating_sub(before.get(name).copied().unwrap_or_default());
        }
        outcome.counters.retain(|_, value| *value > 0);
    }
}

impl Fuzzer {
    /// A fuzzer for the plug-in in `directory`, whose cases are what scenarios begin from, and which changes only what
    /// it declares.
    ///
    /// # Errors
    ///
    /// The cases cannot be read, or none has requests.
    pub fn new(directory: &Path, engine: impl Engine + 'static, changes: Declare) -> anyhow::Result<Self> {
        let material = Material::read(&directory.join("tests/cases.yaml"))?;
        let ready = material.cases.iter().map(|_| None).collect();
        Ok(Self { engine: Box::new(engine), material, changes, ready, requests: 0 })
    }

    /// The number of requests sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Runs the scenario that is generated from these bytes.
    ///
    /// # Errors
    ///
    /// A violated property, with the scenario as a case.
    pub fn run(&mut self, bytes: &[u8]) -> Result<(), Box<Finding>> {
        let scenario = Scenario::read(bytes, &self.material);
        let outcome = if scenario.own_configuration {
            self.run_configured(&scenario)
        } else {
            self.run_shared(&scenario)
        };
        outcome.map_err(|error| {
            // Stopped VMs serve no requests.
            if let Some(ready) = self.ready.get_mut(scenario.case) {
                *ready = None;
            }
            Box::new(Finding::new(bytes, &scenario, &self.material, &error))
        })
    }

    /// With separate VMs, because its configuration may be rejected.
    fn run_configured(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        match vms(&*self.engine, self.changes, &scenario.setup)? {
            Some(mut vms) => self.exchange(&mut vms, scenario).map(drop),
            None => Ok(()),
        }
    }

    /// With the VMs that others with the same configuration have used.
    fn run_shared(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        let place = self.ready.get_mut(scenario.case).context("a scenario is of a case")?;
        let mut ready = match place.take().filter(|ready| ready.uses < SHARED_BY) {
            Some(ready) => ready,
            None => {
                let vms = vms(&*self.engine, self.changes, &scenario.setup)?;
                Ready {
                    vms: vms.context("a configuration of a case that must be accepted is rejected")?,
                    uses: 0,
                }
            }
        };
        ready.uses += 1;
        let differ = self.exchange(&mut ready.vms, scenario)?;
        if let Some(place) = self.ready.get_mut(scenario.case).filter(|_| !differ) {
            *place = Some(ready);
        }
        Ok(())
    }

    /// Sends the requests; whether the VMs differ from now on.
    fn exchange(&mut self, vms: &mut Vms, scenario: &Scenario) -> anyhow::Result<bool> {
        let mut at_once = match scenario.at_once {
            Some(seed) => {
                let order = Order::Random { seed, changes: scenario.changes.clone() };
                let cut = scenario.requests.iter().map(|pair| (pair.cut.clone(), scenario.upstream.clone()));
                let requests: Vec<_> = cut.collect();
                vms.cut.interleave(&requests, &order).context("requests that are open at once")?
            }
            None => VecDeque::new(),
        };
        let other_order = scenario.at_once.is_some() && vms.changes.is_ordered();
        // Another configuration has other results for a request than the first one.
        let reconfigured = at_once.iter().any(|outcome| outcome.reconfigured > 0);
        let (mut counted_whole, mut counted_cut) = (BTreeMap::new(), BTreeMap::new());
        for (index, pair) in scenario.requests.iter().enumerate() {
            self.requests += 2;
            let at = || format!("requests[{index}]");
            let plain = vms.plain.exchange(&pair.whole, &scenario.upstream).with_context(at)?;
            let mut whole = vms.whole.exchange(&pair.whole, &scenario.upstream).with_context(at)?;
            let mut cut = match at_once.pop_front() {
                Some(outcome) => outcome,
                None => {
                    let cut = vms.cut.exchange(&pair.cut, &scenario.upstream);
                    cut.with_context(|| format!("requests[{index}] in different chunks"))?
                }
            };
            for outcome in [&whole, &cut] {
                holds(&pair.whole, &scenario.upstream, outcome).with_context(at)?;
            }
            if let Some(change) = undeclared(&vms.changes, &whole, &plain) {
                bail!("{}: {change}: declare it in tests/changes/mod.rs, or do not change the header", at());
            }
            if scenario.at_once.is_some() {
                add(&mut counted_whole, std::mem::take(&mut whole.counters));
                add(&mut counted_cut, std::mem::take(&mut cut.counters));
            }
            if pair.comparable && !reconfigured && !other_order {
                if vms.changes.shares_calls() {
                    whole.calls.clear();
                    cut.calls.clear();
                }
                same(&whole, &cut).with_context(at)?;
            }
        }
        // A call of the gateway's own meets the services of the request that began last, which depends on the order.
        if !reconfigured
            && !other_order
            && !vms.changes.shares_calls()
            && scenario.requests.iter().all(|pair| pair.comparable)
            && counted_whole != counted_cut
        {
            bail!("counters of requests one after the other {counted_whole:?}, and at once {counted_cut:?}");
        }
        Ok(reconfigured || other_order)
    }
}

fn add(total: &mut BTreeMap<String, u64>, counters: BTreeMap<String, u64>) {
    for (name, value) in counters {
        *total.entry(name).or_default() += value;
    }
}

fn vms(engine: &dyn Engine, changes: Declare, setup: &Setup) -> anyhow::Result<Option<Vms>> {
    match (engine.load(setup)?, engine.load(setup)?) {
        (Load::Loaded(whole), Load::Loaded(cut)) => {
            let vm = |loaded| Vm { loaded, counters: BTreeMap::new() };
            let changes = declared(changes, setup);
            Ok(Some(Vms { whole: vm(whole), cut: vm(cut), plain: engine.without_plugin(setup)?, changes }))
        }
        (Load::Refused { .. }, Load::Refused { .. }) => Ok(None),
        _ => bail!("the same configuration was accepted once and rejected once"),
    }
}

/// The properties of one outcome.
fn holds(request: &Request, upstream: &Upstream, outcome: &Outcome) -> anyhow::Result<()> {
    let goes_away = request.reset_after.is_some() || request.reset_when_called.is_some();
    if outcome.answer.is_none() && !goes_away && !outcome.closed {
        bail!("the request was never answered");
    }
    if let Some(pages) = outcome.memory_pages.filter(|pages| *pages > MOST_PAGES) {
        bail!("the VM uses {pages} pages of memory, more than {MOST_PAGES}");
    }
    if let Some(instructions) = outcome.instructions {
        let size = |headers: &[engine::exchange::Header]| {
            headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        };
        let parts = [request.path.len(), request.body.as_deref().map_or(0, <[u8]>::len), upstream.body.len()];
        let bytes = parts.iter().sum::<usize>() + size(&request.headers) + size(&request.trailers);
        if instructions > FOR_ANY + bytes as u64 * MOST_PER_BYTE {
            bail!("{bytes} bytes cost {instructions} instructions, more than {MOST_PER_BYTE} for each");
        }
    }
    Ok(())
}

/// The properties that must be equal in two outcomes.
fn same(whole: &Outcome, cut: &Outcome) -> anyhow::Result<()> {
    let differs = |what: &str, whole: String, cut: String| {
        (whole != cut).then(|| format!("{what} depends on the chunks\n  whole  {whole}\n  chunks {cut}"))
    };
    let differences = [
        differs("the answer", answer(&whole.answer), answer(&cut.answer)),
        differs("the upstream's request", upstream(&whole.upstream), upstream(&cut.upstream)),
        differs("the details", format!("{:?}", whole.details), format!("{:?}", cut.details)),
        differs("a counter", format!("{:?}", whole.counters), format!("{:?}", cut.counters)),
        differs("a call", format!("{:?}", whole.calls), format!("{:?}", cut.calls)),
    ];
    match differences.into_iter().flatten().next() {
        Some(difference) => bail!(difference),
        None => Ok(()),
    }
}

fn answer(answer: &Option<Answer>) -> String {
    let Some(Answer { status, headers, body, cut_off, .. }) = answer else { return "none".into() };
    format!("{status} {:?} {body:?} cut off {}", unframed(headers), cut_off.is_some())
}

fn upstream(request: &Option<UpstreamRequest>) -> String {
    let Some(UpstreamRequest { method, path, host, headers, body, .. }) = request else {
        return "none".into();
    };
    format!("{method:?} {path:?} {host:?} {:?} {body:?}", unframed(headers))
}

/// Headers without those that frame the body.
fn unframed(headers: &[engine::exchange::Header]) -> Vec<&engine::exchange::Header> {
    headers.iter().filter(|(name, _)| !crate::cuts::frames(name)).collect()
}
