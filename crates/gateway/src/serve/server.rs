//! The loop: an Envoy that is looked after, plans that are put in force, logs that are shown.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::folder::Fault;
use crate::{Bootstrap, Changed, Envoy, Live, LogLine};
use anyhow::{Context, Result};

use super::{Event, Job, Options};
use crate::plan::{Plan, Planned};
use crate::show;
use crate::state::{State, StateFile};
use crate::watch::Watch;

/// How often logs are read and Envoy is looked after.
const TICK: Duration = Duration::from_millis(50);

/// How often counters of plug-ins are shown at most.
const BETWEEN_METRICS: Duration = Duration::from_secs(1);

/// An Envoy that lives as long as this may be started again at once.
const HEALTHY: Duration = Duration::from_secs(10);

/// The longest pause before an Envoy that keeps ending is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many lines of its log are shown when Envoy has ended.
const LAST_LINES: usize = 10;

/// The gateway that serves.
pub(super) struct Server {
    options: Options,
    envoy: Envoy,
    address: SocketAddr,
    echo: SocketAddr,
    live: Live,
    started: Instant,
    /// What is in force.
    plan: Plan,
    /// The last lines of Envoy's log.
    last: VecDeque<LogLine>,
    /// The counters and gauges of plug-ins, when they were last shown, and whether requests have ended since then.
    last_metrics: Vec<(String, u64)>,
    measured: Instant,
    unmeasured: bool,
    /// Remarks that have been made.
    remarked: HashSet<String>,
    /// Whether the last plan left something out that was wrong.
    faulty: bool,
    /// That Envoy has ended.
    down: Option<Down>,
    /// What is to be put in force when it is back.
    waiting: Option<Plan>,
}

/// When an Envoy that has ended is started again.
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
        plan: Plan,
    ) -> Result<Self> {
        let bootstrap = bootstrap(&plan, address, echo);
        let live = Live::start(&envoy, &bootstrap, options.log_level, options.drain)?;
        Ok(Self {
            options,
            envoy,
            address,
            echo,
            live,
            started: Instant::now(),
            plan,
            last: VecDeque::new(),
            last_metrics: Vec::new(),
            measured: Instant::now(),
            unmeasured: false,
            remarked: HashSet::new(),
            faulty: false,
            down: None,
            waiting: None,
        })
    }

    pub(super) fn greet(&mut self, state: &StateFile) -> Result<()> {
        self.remarks();
        show::pipeline(&self.plan, self.options.order);
        self.write_state(state)?;
        let path = self.plan.routes.routes.first().and_then(|ingress| ingress.paths.first());
        let host = self.plan.routes.routes.first().and_then(|ingress| ingress.domains.first());
        let host = host.filter(|host| !host.contains('*')).map(|host| format!("-H 'host: {host}' "));
        show::step(format_args!(
            "serving on http://{address}, HTTP/1.1 and h2: curl -i {}http://{address}{}",
            host.unwrap_or_default(),
            path.map_or("/", String::as_str),
            address = self.address
        ));
        show::step("changes in the folder take effect at once; Ctrl-C ends everything");
        show::legend();
        Ok(())
    }

    fn write_state(&self, state: &StateFile) -> Result<()> {
        state.write(&State {
            pid: std::process::id(),
            address: self.address,
            admin: self.live.process().admin(),
            stage_order: show::order_name(self.options.order).into(),
        })?;
        Ok(())
    }

    pub(super) fn run(
        &mut self,
        events: &Receiver<Event>,
        jobs: &Sender<Job>,
        watch: &mut Watch,
        folder: &Path,
        state: &StateFile,
    ) -> Result<()> {
        let mut changed: Vec<PathBuf> = Vec::new();
        let mut planning: Option<Instant> = None;
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Changed(files)) => {
                    changed.extend(files.into_iter().filter(|file| self.matters(file, folder)));
                }
                Ok(Event::Planned { plan, faults }) => {
                    let since = planning.take().unwrap_or_else(Instant::now);
                    self.apply(plan, &faults, since);
                    watch.set(self.sources(folder))?;
                }
                Ok(Event::Stop) => {
                    self.logs();
                    show::step("ended");
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if planning.is_none() && !changed.is_empty() {
                planning = Some(Instant::now());
                jobs.send(Job { before: self.plan.clone(), changed: std::mem::take(&mut changed) })
                    .context("the planner has ended: this is a bug")?;
            }
            self.logs();
            self.look_after(state)?;
        }
    }

    /// Puts a plan in force, as far as Envoy takes it.
    fn apply(&mut self, plan: Plan, faults: &[Fault], since: Instant) {
        faults.iter().for_each(show::fault);
        if !faults.is_empty() {
            show::note("refused; what ran before serves on");
        }
        if self.down.is_some() {
            self.waiting = Some(plan);
        } else {
            self.put_in_force(plan, faults.is_empty(), since);
        }
    }

    /// Tells Envoy of a plan; `sound` says that nothing has been left out of it.
    fn put_in_force(&mut self, plan: Plan, sound: bool, since: Instant) {
        let wanted = bootstrap(&plan, self.address, self.echo);
        let before = self.plan.plugins.clone();
        let result = self.live.change(&wanted);
        self.adopt(plan);
        let repaired = std::mem::replace(&mut self.faulty, !sound) && sound;
        self.remarks();
        match result {
            Err(error) => {
                show::error(error);
                show::note("refused; what ran before serves on");
            }
            Ok(changed) => {
                let took = format!("{} ms", since.elapsed().as_millis());
                if changed == Changed::default() && sound {
                    show::step(match repaired {
                        true => "repaired: the folder says again what is running",
                        false => "what has changed makes no difference to requests",
                    });
                }
                if changed.swapped > 0 {
                    let names: Vec<&str> = self
                        .plan
                        .plugins
                        .iter()
                        .filter(|planned| {
                            let same_place = |old: &&Planned| old.entry.name == planned.entry.name;
                            before.iter().find(same_place).is_some_and(|old| old.wasm != planned.wasm)
                        })
                        .map(|planned| planned.entry.name.as_str())
                        .collect();
                    let names = names.join(", ");
                    show::step(format_args!("{} swapped in, in {took}: {names}", plural(changed.swapped)));
                }
                if changed.reordered {
                    show::pipeline(&self.plan, self.options.order);
                    show::step(format_args!(
                        "the pipeline is changed, in {took}; open connections change over with their next answer"
                    ));
                }
                if changed.routes {
                    show::step(format_args!("routes are changed, in {took}"));
                }
            }
        }
    }

    /// Notes what is in force of a plan, and of the one before where Envoy did not take it.
    fn adopt(&mut self, plan: Plan) {
        let before = std::mem::take(&mut self.plan.plugins);
        let all: Vec<_> = plan.plugins.iter().chain(&before).collect();
        let current = &self.live.current().plugins;
        let in_force = |wasm: &crate::Wasm| {
            all.iter().find(|planned| planned.wasm == *wasm).map(|&planned| planned.clone())
        };
        self.plan = Plan { plugins: current.iter().filter_map(in_force).collect(), ..plan };
    }

    /// Makes the remarks that have not been made.
    fn remarks(&mut self) {
        for remark in &self.plan.remarks {
            if self.remarked.insert(remark.to_string()) {
                show::remark(remark);
            }
        }
    }

    /// Whether a change of a file can make a difference. Other files may lie in the folder, the log of this command among
    /// them, which would otherwise never come to rest.
    fn matters(&self, file: &Path, folder: &Path) -> bool {
        let kind = file.extension().unwrap_or_default();
        let is_ours = ["yaml", "yml", "json", "wasm"].into_iter().any(|known| kind == known);
        let mut modules = self.plan.plugins.iter().flat_map(|planned| &planned.module.sources);
        let is_source = |source: &PathBuf| {
            file.starts_with(source) || source.canonicalize().is_ok_and(|source| file.starts_with(source))
        };
        is_ours || !file.starts_with(folder) || modules.any(is_source)
    }

    /// The files and folders whose changes matter.
    pub(super) fn sources(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let of_modules = self.plan.plugins.iter().flat_map(|planned| planned.module.sources.iter().cloned());
        std::iter::once(folder.to_path_buf()).chain(of_modules).collect()
    }

    /// Shows what has been logged.
    fn logs(&mut self) {
        // A log that cannot be read for once is read the next time.
        let process = self.live.process_mut();
        let (lines, requests) = (process.new_log(), process.new_access());
        for line in lines.unwrap_or_default() {
            let of = line.plugin().map(|(name, _)| name);
            let shown = match of {
                Some(name) => {
                    self.options.log.is_empty() || self.options.log.iter().any(|wanted| wanted == name)
                }
                None => true,
            };
            if shown {
                let planned =
                    self.plan.plugins.iter().find(|planned| of == Some(planned.entry.name.as_str()));
                match planned {
                    // Rules are called as in the file.
                    Some(planned) => {
                        let message = planned.entry.resource.with_origins(&line.message);
                        show::log(&LogLine { message, ..line.clone() });
                    }
                    None => show::log(&line),
                }
            }
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            self.last.push_back(line);
        }
        let requests = requests.unwrap_or_default();
        requests.iter().for_each(show::access);
        self.unmeasured |= !requests.is_empty();
        if self.unmeasured && self.measured.elapsed() >= BETWEEN_METRICS {
            self.metrics();
        }
    }

    /// Shows which counters and gauges of plug-ins have changed.
    fn metrics(&mut self) {
        (self.unmeasured, self.measured) = (false, Instant::now());
        // What cannot be read for once is read the next time.
        let now = self.live.process().plugin_counters().unwrap_or_default();
        let changed: Vec<_> =
            now.iter().filter(|metric| !self.last_metrics.contains(metric)).cloned().collect();
        show::metrics(&changed);
        self.last_metrics = now;
    }

    /// Notices that Envoy has ended, and starts it again, later each time if it does not live.
    fn look_after(&mut self, state: &StateFile) -> Result<()> {
        let Some(down) = self.down else {
            if let Some(status) = self.live.process_mut().ended()? {
                self.logs();
                show::error(format_args!("Envoy has ended ({status}); the last lines of its log:"));
                self.last.iter().for_each(show::log);
                let lived = self.started.elapsed();
                let pause = if lived > HEALTHY { Duration::ZERO } else { TICK };
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
                show::step(format_args!("Envoy is started again, and serves on http://{}", self.address));
                self.write_state(state)?;
                if let Some(plan) = self.waiting.take() {
                    self.put_in_force(plan, true, Instant::now());
                }
            }
            Err(error) => {
                show::error(format_args!("Envoy could not be started again: {error}"));
                let pause = (down.pause * 2).clamp(TICK, LONGEST_PAUSE);
                self.down = Some(Down { pause, until: Instant::now() + pause });
            }
        }
        Ok(())
    }
}

fn bootstrap(plan: &Plan, address: SocketAddr, echo: SocketAddr) -> Bootstrap {
    let (routes, clusters) = plan.routes.for_envoy(echo);
    let plugins = plan.plugins.iter().map(|planned| planned.wasm.clone()).collect();
    Bootstrap { address, ..Bootstrap::new(plugins, routes, clusters) }
}

fn plural(count: usize) -> String {
    if count == 1 { "1 plug-in".into() } else { format!("{count} plug-ins") }
}
