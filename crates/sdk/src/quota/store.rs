//! The stores that a configuration can choose, and what happens if one is unavailable.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use config::FieldError;

use super::lease::{Fetched, Next, Shares, Step};
use super::service::{Mode, Service, ServiceFields, Span, Target, Unavailable};
use super::table::place;
use super::{Budget, Limit, Process, ServiceLimit, Verdict};
use crate::{Status, background, call, metric, shared, time};

/// A store: where budgets are counted.
///
/// A plug-in calls [`start`](Store::start) in `on_configured`, and [`wake`] in `on_tick` with the period
/// [`tick_period`](Store::tick_period). For each request, it first calls [`try_take`](Store::try_take), and waits for
/// [`take`](Store::take) if that is not enough.
#[derive(Debug, Clone)]
pub struct Store(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Process(Process),
    Service(Rc<Remote>),
}

/// The limit that decides, and its verdict; `None` if nothing is limited.
pub type Taken<'l> = Option<(&'l Limit, Verdict)>;

/// The reason for which an amount cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// A host call failed.
    Host(Status),
    /// The service is unavailable, and the configuration does not allow requests then.
    Unavailable,
}

impl From<Status> for StoreError {
    fn from(status: Status) -> Self {
        StoreError::Host(status)
    }
}

/// Wakes the requests of this VM that wait for a share which another worker fetches.
pub fn wake() {
    call::notify();
}

impl Store {
    /// Counts in the gateway's memory. `plugin` is the name of the plug-in.
    pub const fn process(plugin: &'static str) -> Self {
        Store(Kind::Process(Process::new(plugin)))
    }

    /// Counts in a rate limit service. `path` is the path of the fields.
    ///
    /// # Errors
    ///
    /// An error about a field.
    pub fn service(plugin: &'static str, fields: ServiceFields, path: &str) -> Result<Self, FieldError> {
        Ok(Self::remote(plugin, Service::new(fields, path)?))
    }

    /// Counts in Redis. `path` is the path of the fields.
    ///
    /// # Errors
    ///
    /// An error about a field.
    #[cfg(feature = "redis")]
    pub fn redis(plugin: &'static str, fields: super::RedisFields, path: &str) -> Result<Self, FieldError> {
        Ok(Self::remote(plugin, Service::redis(fields, path)?))
    }

    fn remote(plugin: &'static str, service: Service) -> Self {
        let remote = Remote {
            plugin,
            service,
            process: Process::new(plugin),
            root: Cell::new(0),
            failures: Cell::default(),
        };
        Store(Kind::Service(Rc::new(remote)))
    }

    /// Prepares the store. Call it in `on_configured`: shares are fetched for the resource that is being configured.
    pub fn start(&self) {
        if let Kind::Service(remote) = &self.0 {
            remote.root.set(call::current_context());
            remote.service.start();
        }
    }

    /// Returns a limit as the configuration of the rate limit service must have it; `None` without one. `per_key` is true if
    /// it applies to many keys separately.
    pub fn service_limit(&self, limit: &Limit, per_key: bool) -> Option<ServiceLimit> {
        let Kind::Service(remote) = &self.0 else { return None };
        Some(ServiceLimit {
            domain: remote.service.domain()?.into(),
            limit: limit.descriptor(),
            amount: limit.amount,
            seconds: limit.period.seconds(),
            per_key,
        })
    }

    /// Returns the period in which [`wake`] must be called.
    pub fn tick_period(&self) -> Duration {
        match &self.0 {
            Kind::Service(remote) if remote.service.mode == Mode::Lease => Duration::from_millis(10),
            _ => Duration::from_hours(1),
        }
    }

    /// Takes an amount from each budget, or from none if one of them has less, if that needs no waiting. Otherwise returns
    /// `None`: call [`take`](Store::take).
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn try_take<'l>(&self, budgets: &[Budget<'l>], amount: u32) -> Result<Option<Taken<'l>>, StoreError> {
        match &self.0 {
            Kind::Process(process) => Ok(process.take(budgets, amount).map(Some)?),
            Kind::Service(remote) => remote.try_take(budgets, amount),
        }
    }

    /// Takes an amount from each budget, or from none if one of them has less. Exceptions to "none": a service cannot be
    /// given back what it has granted for one budget before it refuses another.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn take<'l>(&self, budgets: &[Budget<'l>], amount: u32) -> Result<Taken<'l>, StoreError> {
        match &self.0 {
            Kind::Process(process) => Ok(process.take(budgets, amount)?),
            Kind::Service(remote) => remote.take(budgets, amount).await,
        }
    }
}

impl Store {
    /// Returns true if amounts can be given back. Otherwise, take little before a cost is known, and charge the rest after.
    pub fn can_give_back(&self) -> bool {
        matches!(self.0, Kind::Process(_))
    }

    /// Returns an amount that was taken and not used to each budget. Does nothing if the store
    /// [cannot](Self::can_give_back).
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn give_back(&self, budgets: &[Budget<'_>], amount: u32) -> Result<(), Status> {
        match &self.0 {
            Kind::Process(process) => budgets.iter().try_for_each(|budget| process.give_back(budget, amount)),
            Kind::Service(_) => Ok(()),
        }
    }

    /// Counts an amount in each budget, even if one has less: for costs that are known afterwards. A service is called in the
    /// background; what it does not count, because it is unavailable, is lost.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn charge(&self, budgets: &[Budget<'_>], amount: u32) -> Result<(), Status> {
        if amount == 0 {
            return Ok(());
        }
        match &self.0 {
            Kind::Process(process) => {
                budgets.iter().try_for_each(|budget| process.charge(budget, amount).map(|_| ()))
            }
            Kind::Service(remote) => {
                let now = time::nanoseconds()?;
                for budget in budgets {
                    let span = Span::of(budget.limit.period, now);
                    let work = charge(remote.clone(), Target::new(budget), span, amount);
                    background::start_after(remote.root.get(), "charge", work)?;
                }
                Ok(())
            }
        }
    }
}

/// Counts an amount in a service. Services refuse what exceeds the rest of a budget, and some count nothing of it, so smaller
/// amounts are tried until the budget is full.
async fn charge(remote: Rc<Remote>, target: Target, span: Span, amount: u32) {
    let (mut rest, mut step) = (amount, amount);
    while rest > 0 && step > 0 {
        step = step.min(rest);
        match remote.service.take(&target, span, step).await {
            Ok(answer) if answer.granted => rest -= step,
            Ok(answer) => step = smaller(step, answer.left),
            Err(Unavailable) => {
                metric::add(&format!("{}.store_failed", remote.plugin), 1);
                if is_due() {
                    let name = remote.service.name();
                    crate::error!("{}: the {name} is unavailable: a charge is lost", remote.plugin);
                }
                return;
            }
        }
    }
}

/// Returns what to try after a refused amount: what the budget has left or, if that is unknown, half of it.
fn smaller(refused: u32, left: Option<u32>) -> u32 {
    left.unwrap_or(refused / 2).min(refused.saturating_sub(1))
}

/// A service that other processes use as well.
#[derive(Debug)]
struct Remote {
    plugin: &'static str,
    service: Service,
    /// Counts while the service is unavailable.
    process: Process,
    /// The context under which shares are fetched.
    root: Cell<u32>,
    /// The number of fetches whose result could not be stored, and the host's last status.
    failures: Cell<(u64, Option<Status>)>,
}

/// The deciding one of several verdicts.
#[derive(Default)]
struct Least<'l>(Taken<'l>);

impl<'l> Least<'l> {
    fn add(&mut self, limit: &'l Limit, left: Option<u32>) {
        let is_less = match self.0 {
            Some((_, Verdict::Granted { left: Some(least) })) => left.is_some_and(|left| left < least),
            _ => true,
        };
        if is_less {
            self.0 = Some((limit, Verdict::Granted { left }));
        }
    }
}

/// Attempts to change shares that other workers change as well.
const ATTEMPTS: u32 = 1_000;

impl Remote {
    fn try_take<'l>(
        self: &Rc<Self>,
        budgets: &[Budget<'l>],
        amount: u32,
    ) -> Result<Option<Taken<'l>>, StoreError> {
        if self.service.mode == Mode::Exact {
            return Ok(budgets.is_empty().then_some(None));
        }
        let mut least = Least::default();
        for (index, budget) in budgets.iter().enumerate() {
            match self.step(budget, amount)? {
                (Step::Granted { left }, _) => least.add(budget.limit, left),
                (Step::Refused, wait) => {
                    self.give_back(budgets, index, amount)?;
                    return Ok(Some(Some((budget.limit, Verdict::Refused { wait: Some(wait) }))));
                }
                (Step::Wait | Step::Query, _) => {
                    self.give_back(budgets, index, amount)?;
                    return Ok(None);
                }
                (Step::Unavailable, _) => {
                    self.give_back(budgets, index, amount)?;
                    return self.take_without_service(budgets, amount).map(Some);
                }
            }
        }
        Ok(Some(least.0))
    }

    async fn take<'l>(self: &Rc<Self>, budgets: &[Budget<'l>], amount: u32) -> Result<Taken<'l>, StoreError> {
        let mut least = Least::default();
        for (index, budget) in budgets.iter().enumerate() {
            let verdict = loop {
                let (step, wait) = match self.service.mode {
                    Mode::Exact => (Step::Query, Duration::ZERO),
                    Mode::Lease => self.step(budget, amount)?,
                };
                match step {
                    Step::Granted { left } => break Ok(Verdict::Granted { left }),
                    Step::Refused => break Ok(Verdict::Refused { wait: Some(wait) }),
                    Step::Wait => self.notified().await?,
                    Step::Query => break self.query(budget, amount).await?,
                    Step::Unavailable => break Err(Unavailable),
                }
            };
            match verdict {
                Ok(Verdict::Granted { left }) => least.add(budget.limit, left),
                Ok(refused @ Verdict::Refused { .. }) => {
                    self.give_back(budgets, index, amount)?;
                    return Ok(Some((budget.limit, refused)));
                }
                Err(Unavailable) => {
                    self.give_back(budgets, index, amount)?;
                    return self.take_without_service(budgets, amount);
                }
            }
        }
        Ok(least.0)
    }

    /// Takes an amount from the service.
    async fn query(&self, budget: &Budget<'_>, amount: u32) -> Result<Result<Verdict, Unavailable>, Status> {
        let now = time::nanoseconds()?;
        let span = Span::of(budget.limit.period, now);
        Ok(self.service.take(&Target::new(budget), span, amount).await.map(|answer| match answer.granted {
            true => Verdict::Granted { left: answer.left },
            false => Verdict::Refused { wait: Some(answer.rest(span, now)) },
        }))
    }

    /// Takes an amount from a share, and starts a fetch if necessary. Returns the step, and the rest of the window.
    fn step(self: &Rc<Self>, budget: &Budget<'_>, amount: u32) -> Result<(Step, Duration), Status> {
        let (name, id) = place(self.plugin, ("shares", "share"), budget)?;
        let limit = budget.limit;
        let (step, fetch, span, now) = shared::update(&name, ATTEMPTS, |old| {
            let now = match time::nanoseconds() {
                Ok(now) => now,
                Err(status) => return (None, Err(status)),
            };
            let span = Span::of(limit.period, now);
            let mut shares = Shares::read(old.unwrap_or_default());
            let taken = shares.take(id, limit.amount, amount, span, now, self.fetch_time());
            (taken.changed.then(|| shares.write()), Ok((taken.step, taken.fetch, span, now)))
        })??;
        if let Some(size) = fetch {
            let fetch = Fetch {
                remote: self.clone(),
                target: Target::new(budget),
                name: name.into_owned(),
                id,
                span,
                amount,
                is_done: false,
            };
            background::start(self.root.get(), "fetch of a share", fetch.run(size));
        }
        Ok((step, span.rest(now)))
    }

    /// Waits for the result of a fetch.
    async fn notified(&self) -> Result<(), Status> {
        let (before, _) = self.failures.get();
        call::notified().await;
        match self.failures.get() {
            (after, Some(status)) if after != before => Err(status),
            _ => Ok(()),
        }
    }

    /// Returns the nanoseconds after which a fetch is given up, for example because its worker has ended.
    fn fetch_time(&self) -> u64 {
        let margin = Duration::from_millis(100);
        u64::try_from((self.service.timeout + margin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns an amount to the shares of the first `count` budgets.
    fn give_back(&self, budgets: &[Budget<'_>], count: usize, amount: u32) -> Result<(), Status> {
        for budget in budgets.iter().take(count).filter(|_| self.service.mode == Mode::Lease) {
            let (name, id) = place(self.plugin, ("shares", "share"), budget)?;
            shared::update(&name, ATTEMPTS, |old| {
                let mut shares = Shares::read(old.unwrap_or_default());
                shares.give_back(id, amount);
                (Some(shares.write()), ())
            })?;
        }
        Ok(())
    }

    /// Decides while the service is unavailable.
    fn take_without_service<'l>(&self, budgets: &[Budget<'l>], amount: u32) -> Result<Taken<'l>, StoreError> {
        let Service { local_percent, failure_mode_allow, .. } = self.service;
        metric::add(&format!("{}.store_failed", self.plugin), 1);
        if is_due() {
            let consequence = match (local_percent, failure_mode_allow) {
                (Some(percent), _) => &*format!("limits are {percent} % in each gateway process"),
                (None, true) => "requests pass",
                (None, false) => "requests are answered with 503",
            };
            crate::error!("{}: the {} is unavailable: {consequence}", self.plugin, self.service.name());
        }
        match (local_percent, failure_mode_allow) {
            (Some(percent), _) => {
                let scaled = |budget: &Budget<'l>| Budget {
                    limit: budget.limit.scaled(percent),
                    key: budget.key.clone(),
                };
                let budgets: Vec<Budget<'l>> = budgets.iter().map(scaled).collect();
                Ok(self.process.take(&budgets, amount)?)
            }
            (None, true) => Ok(None),
            (None, false) => Err(StoreError::Unavailable),
        }
    }
}

/// A fetch of a share.
struct Fetch {
    remote: Rc<Remote>,
    target: Target,
    /// The place of the share in the shared data.
    name: String,
    id: u64,
    span: Span,
    /// What a request needs of it.
    amount: u32,
    is_done: bool,
}

impl Fetch {
    /// Fetches a share of this size, halved as long as it is refused.
    async fn run(mut self, mut size: u32) {
        loop {
            let result = match self.remote.service.take(&self.target, self.span, size).await {
                Ok(answer) if answer.granted => Fetched::Granted { rest: answer.left },
                Ok(answer) => Fetched::Refused { rest: answer.left },
                Err(Unavailable) => Fetched::Failed,
            };
            match self.record(size, result) {
                Next::Fetch(next) => size = next,
                Next::Done => break,
            }
        }
        self.is_done = true;
    }

    /// Stores a result and wakes the requests that wait for it.
    fn record(&self, size: u32, result: Fetched) -> Next {
        let fetch_time = self.remote.fetch_time();
        let next = shared::update(&self.name, ATTEMPTS, |old| {
            let now = match time::nanoseconds() {
                Ok(now) => now,
                Err(status) => return (None, Err(status)),
            };
            let mut shares = Shares::read(old.unwrap_or_default());
            let next = shares.record(self.id, (size, self.amount), self.span, result, now, fetch_time);
            (Some(shares.write()), Ok(next))
        });
        let next = next.flatten().unwrap_or_else(|status| {
            let (failures, _) = self.remote.failures.get();
            self.remote.failures.set((failures + 1, Some(status)));
            Next::Done
        });
        call::notify();
        next
    }
}

impl Drop for Fetch {
    /// A fetch that is aborted, because its configuration was replaced, is left to other requests.
    fn drop(&mut self) {
        if !self.is_done {
            self.record(0, Fetched::Aborted);
        }
    }
}

/// Returns true at most once a minute.
pub(crate) fn is_due() -> bool {
    thread_local! {
        static LAST: Cell<Option<u64>> = const { Cell::new(None) };
    }
    const MINUTE: u64 = 60_000_000_000;
    let Ok(now) = time::nanoseconds() else { return true };
    let is_due = LAST.get().is_none_or(|last| now.abs_diff(last) >= MINUTE);
    if is_due {
        LAST.set(Some(now));
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_tried_after_a_refused_amount_and_half_of_it_otherwise() {
        for (refused, left, expected) in [
            (100, None, 50),
            (1, None, 0),
            (100, Some(7), 7),
            (100, Some(0), 0),
            (100, Some(100), 99),
            (1, Some(5), 0),
        ] {
            assert_eq!(smaller(refused, left), expected, "{refused}, {left:?}");
        }
    }
}
