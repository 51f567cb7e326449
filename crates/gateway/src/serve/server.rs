//! The loop: supervises Envoy, applies plans, and reports logs.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::{Event, Job, Notice, Options, Report, ServeError};
use crate::folder::Fault;
use crate::hosted::Hosted;
use crate::journal::Journal;
use crate::matches;
use crate::plan::Plan;
use crate::state::{State, StateFile};
use crate::watch::Watch;
use crate::{Bootstrap, Changed, Envoy, Live, LogLine, StartError, Wasm};

/// How often logs are read and Envoy is checked.
const TICK: Duration = Duration::from_millis(50);

/// The minimum time between two reports of plug-ins' counters.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);

/// How often counters are recorded.
const COUNTERS_INTERVAL: Duration = Duration::from_secs(1);

/// An Envoy that ran for this long is restarted without a pause.
const HEALTHY: Duration = Duration::from_secs(10);

/// The maximum pause before an Envoy that keeps exiting is restarted.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// How many lines of its log are reported when Envoy has exited.
const LAST_LINES: usize = 10;

/// A gateway that serves.
pub(super) struct Server {
    options: Options,
    envoy: Envoy,
    address: SocketAddr,
    echo: SocketAddr,
    live: Live,
    started: Instant,
    hosted: Hosted,
    /// Services that are no longer in the routes, which Envoy uses until a change succeeds.
    retired: Hosted,
    /// What is in force.
    plan: Plan,
    /// The last lines of Envoy's log.
    last: VecDeque<LogLine>,
    /// The counters and gauges of plug-ins as last reported.
    last_metrics: Vec<(String, u64)>,
    /// When they were read.
    measured: Instant,
    /// Whether requests have ended since then.
    unmeasured: bool,
    /// Remarks that have been reported.
    remarked: HashSet<String>,
    /// Whether the last plan left out something with an error.
    faulty: bool,
    /// Set while Envoy is down.
    down: Option<Down>,
    /// The plan to apply when Envoy is back.
    waiting: Option<Plan>,
    /// Whether images of plug-ins of the workspace are built from source.
    from_source: bool,
    journal: Arc<Journal>,
}

/// When an Envoy that has exited is restarted.
#[derive(Debug, Clone, Copy)]
struct Down {
    pause: Duration,
    until: Instant,
}

impl Server {
    pub(super) fn start(
        options: Options,
        envoy: Envoy,
        address: SocketAddr,
        echo: SocketAddr,
        hosted: Hosted,
        plan: Plan,
        journal: Arc<Journal>,
    ) -> Result<Self, StartError> {
        let bootstrap = bootstrap(&plan, address, echo, &hosted);
        let live = Live::start(&envoy, &bootstrap, options.log_level, options.drain)?;
        Ok(Self {
            options,
            envoy,
            address,
            echo,
            live,
            started: Instant::now(),
            hosted,
            retired: Hosted::default(),
            plan,
            last: VecDeque::new(),
            last_metrics: Vec::new(),
            measured: Instant::now(),
            unmeasured: false,
            remarked: HashSet::new(),
            faulty: false,
            down: None,
            waiting: None,
            from_source: false,
            journal,
        })
    }

    pub(super) fn greet(
        &mut self,
        state: &StateFile,
        from_source: bool,
        report: Report<'_>,
    ) -> Result<(), ServeError> {
        self.remarks(report);
        self.from_source = from_source;
        self.write_state(state)?;
        report(Notice::Serving {
            address: self.address,
            envoy: &self.envoy,
            plan: &self.plan,
            order: self.options.order,
        });
        Ok(())
    }

    fn write_state(&self, state: &StateFile) -> Result<(), ServeError> {
        let content = State {
            pid: std::process::id(),
            address: self.address,
            admin: self.live.process().admin(),
            stage_order: self.options.order.name().into(),
            from_source: self.from_source,
        };
        state.write(&content).map_err(|error| ServeError::Io("write", state.path().to_path_buf(), error))
    }

    pub(super) fn run(
        &mut self,
        events: &Receiver<Event>,
        jobs: &Sender<Job>,
        watch: &mut Watch,
        folder: &Path,
        state: &StateFile,
        report: Report<'_>,
    ) -> Result<(), ServeError> {
        let mut counted = Instant::now();
        let mut changed: Vec<PathBuf> = Vec::new();
        let mut planning: Option<Instant> = None;
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Changed(files)) => {
                    changed.extend(files.into_iter().filter(|file| self.matters(file, folder)));
                }
                Ok(Event::Planned { plan, faults }) => {
                    let since = planning.take().unwrap_or_else(Instant::now);
                    self.planned(plan, &faults, since, report);
                    watch.set(self.sources(folder))?;
                }
                Ok(Event::Stop) => {
                    self.logs(report);
                    report(Notice::Stopped);
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if planning.is_none() && !changed.is_empty() {
                planning = Some(Instant::now());
                let job = Job { before: self.plan.clone(), changed: std::mem::take(&mut changed) };
                jobs.send(job).map_err(|_| ServeError::Planner)?;
            }
            self.logs(report);
            if counted.elapsed() >= COUNTERS_INTERVAL {
                counted = Instant::now();
                self.journal.tick();
            }
            self.supervise(state, report)?;
        }
    }

    /// Applies a plan now, or when Envoy is back.
    fn planned(&mut self, plan: Plan, faults: &[Fault], since: Instant, report: Report<'_>) {
        faults.iter().for_each(|fault| report(Notice::Fault(fault)));
        if !faults.is_empty() {
            report(Notice::Rejected);
        }
        if self.down.is_some() {
            self.waiting = Some(plan);
        } else {
            self.apply(plan, faults.is_empty(), since, report);
        }
    }

    /// Makes Envoy run a plan; `complete` means that nothing was left out of it.
    fn apply(&mut self, plan: Plan, complete: bool, since: Instant, report: Report<'_>) {
        let before = self.plan.plugins.clone();
        let result = self.change(&plan);
        self.adopt(plan);
        let repaired = std::mem::replace(&mut self.faulty, !complete) && complete;
        self.remarks(report);
        let changed = match result {
            Ok(changed) => changed,
            Err(error) => {
                report(Notice::ChangeFailed(&*error));
                report(Notice::Rejected);
                return;
            }
        };
        let took = since.elapsed();
        if changed == Changed::default() && complete {
            report(Notice::Unchanged { repaired, plan: &self.plan });
        }
        if changed.swapped > 0 {
            let is_other = |name: &str, wasm: &Wasm| {
                before.iter().find(|old| old.entry.name == name).is_some_and(|old| old.wasm != *wasm)
            };
            let changed = self.plan.plugins.iter().filter(|new| is_other(&new.entry.name, &new.wasm));
            let plugins = changed.map(|new| new.entry.name.as_str()).collect();
            report(Notice::Reloaded { plugins, plan: &self.plan, took });
        }
        if changed.reordered {
            report(Notice::Reordered { plan: &self.plan, order: self.options.order, took });
        }
        if changed.routes {
            report(Notice::RoutesChanged { took });
        }
    }

    /// Changes the services, then Envoy.
    fn change(&mut self, plan: &Plan) -> Result<Changed, Box<dyn Error>> {
        self.retired.extend(self.hosted.change(&plan.routes)?);
        let changed = self.live.change(&bootstrap(plan, self.address, self.echo, &self.hosted))?;
        self.retired = Hosted::default();
        Ok(changed)
    }

    /// Records what is in force: the plan, and the one before where Envoy did not accept it.
    fn adopt(&mut self, plan: Plan) {
        let before = std::mem::take(&mut self.plan.plugins);
        let all: Vec<_> = plan.plugins.iter().chain(&before).collect();
        let current = &self.live.current().plugins;
        let in_force =
            |wasm: &Wasm| all.iter().find(|planned| planned.wasm == *wasm).map(|&planned| planned.clone());
        self.plan = Plan { plugins: current.iter().filter_map(in_force).collect(), ..plan };
    }

    /// Reports the remarks that are new.
    fn remarks(&mut self, report: Report<'_>) {
        for remark in &self.plan.remarks {
            if self.remarked.insert(remark.to_string()) {
                report(Notice::Remark(remark));
            }
        }
    }

    /// Returns true if a change of this file can make a difference. The folder may hold other files, such as the log of
    /// this command, which would otherwise cause an endless series of changes.
    fn matters(&self, file: &Path, folder: &Path) -> bool {
        let mut modules = self.plan.plugins.iter().flat_map(|planned| &planned.module.sources);
        let is_source = |source: &PathBuf| {
            file.starts_with(source) || source.canonicalize().is_ok_and(|source| file.starts_with(source))
        };
        is_resource(file, folder) || modules.any(is_source)
    }

    /// The files and folders whose changes matter.
    pub(super) fn sources(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let of_modules = self.plan.plugins.iter().flat_map(|planned| planned.module.sources.iter().cloned());
        std::iter::once(folder.to_path_buf()).chain(of_modules).collect()
    }

    /// Reports new lines of the logs.
    fn logs(&mut self, report: Report<'_>) {
        // A log that cannot be read this time is read the next time.
        let process = self.live.process_mut();
        let (lines, requests) = (process.new_log(), process.new_access());
        for line in lines.unwrap_or_default() {
            let name = line.plugin().map(|(name, _)| name);
            match self.plan.plugins.iter().find(|planned| name == Some(planned.entry.name.as_str())) {
                // Rules are named as in the file.
                Some(planned) => {
                    let message = planned.entry.resource.with_origins(&line.message);
                    report(Notice::Log(&LogLine { message, ..line.clone() }));
                }
                None => report(Notice::Log(&line)),
            }
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            self.last.push_back(line);
        }
        let requests = requests.unwrap_or_default();
        requests.iter().for_each(|request| report(Notice::Access(request)));
        self.unmeasured |= !requests.is_empty();
        if self.unmeasured && self.measured.elapsed() >= METRICS_INTERVAL {
            self.metrics(report);
        }
    }

    /// Reports the counters and gauges of plug-ins that have changed.
    fn metrics(&mut self, report: Report<'_>) {
        (self.unmeasured, self.measured) = (false, Instant::now());
        // Counters that cannot be read this time are read the next time.
        let now = self.live.process().plugin_counters().unwrap_or_default();
        let changed: Vec<_> =
            now.iter().filter(|metric| !self.last_metrics.contains(metric)).cloned().collect();
        if !changed.is_empty() {
            report(Notice::Metrics(&changed));
        }
        self.last_metrics = now;
    }

    /// Restarts Envoy when it has exited, with longer pauses each time if it does not stay up.
    fn supervise(&mut self, state: &StateFile, report: Report<'_>) -> Result<(), ServeError> {
        let Some(down) = self.down else {
            if let Some(status) = self.live.process_mut().ended().map_err(ServeError::Process)? {
                self.logs(report);
                report(Notice::EnvoyExited { status, log: self.last.make_contiguous() });
                let pause = if self.started.elapsed() > HEALTHY { Duration::ZERO } else { TICK };
                self.down = Some(Down { pause, until: Instant::now() + pause });
            }
            return Ok(());
        };
        if Instant::now() < down.until {
            return Ok(());
        }
        let bootstrap = Bootstrap { address: self.address, ..self.live.current().clone() };
        match Live::start(&self.envoy, &bootstrap, self.options.log_level, self.options.drain) {
            Ok(live) => {
                self.live = live;
                self.started = Instant::now();
                self.down = None;
                self.last.clear();
                report(Notice::EnvoyRestarted { address: self.address });
                self.write_state(state)?;
                if let Some(plan) = self.waiting.take() {
                    self.apply(plan, true, Instant::now(), report);
                }
            }
            Err(error) => {
                report(Notice::EnvoyNotRestarted(&error));
                let pause = (down.pause * 2).clamp(TICK, MAX_PAUSE);
                self.down = Some(Down { pause, until: Instant::now() + pause });
            }
        }
        Ok(())
    }
}

/// Returns true if a file is outside of the folder, or has the kind of a resource or a module.
pub(super) fn is_resource(file: &Path, folder: &Path) -> bool {
    let kind = file.extension().unwrap_or_default();
    ["yaml", "yml", "json", "wasm"].into_iter().any(|known| kind == known) || !file.starts_with(folder)
}

fn bootstrap(plan: &Plan, address: SocketAddr, echo: SocketAddr, hosted: &Hosted) -> Bootstrap {
    let (routes, mut clusters) = plan.routes.for_envoy(echo);
    hosted.redirect(&mut clusters);
    let plugins = plan.plugins.iter().map(|planned| planned.wasm.clone()).collect();
    let logged = vec![matches::PROPERTY.to_owned()];
    Bootstrap { address, logged, ..Bootstrap::new(plugins, routes, clusters) }
}
