//! The third engine: the plug-in's `.wasm` in a real Envoy, between a client and an upstream.
//!
//! Cases with equal setups share one Envoy, one case at a time; at most two run at once. Each request has a
//! connection of its own, whose port finds its line in the access log: when that line is there, the request is
//! over, and what was logged and counted for it can be read.

mod behaviour;
mod client;
mod clock;
mod fields;
mod grpc;
mod interleave;
mod pool;
mod running;
mod service;
mod upstream;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use gateway::{AccessLine, Bootstrap, Cluster, Mark, Route, StartError, Wasm};
use tokio::runtime::Runtime;

use crate::{Engine, EngineName, Load, Loaded};
use clock::Clock;
use engine::exchange::{LogLevel, Order, Protocol, Request, Setup, Upstream};
use engine::outcome::{LogLine, Outcome};
use pool::{Lease, Pool};
use running::RunningGateway;
use service::Services;
use upstream::{Pace, UpstreamServer};

/// How many Envoys run at once.
const AT_ONCE: usize = 2;

/// How long a request's line in the access log may take once the client is done with it.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(3);

/// Host calls with effects that outlast a configuration. Cases of modules that import one have an Envoy for each
/// configuration.
const LASTING: [&[u8]; 3] =
    [b"proxy_set_shared_data", b"proxy_register_shared_queue", b"proxy_set_tick_period_milliseconds"];

/// Runs one module in real Envoys.
pub struct EnvoyEngine {
    plugin: String,
    module: PathBuf,
    /// The properties that the access log shows.
    logged: Vec<String>,
    /// Whether requests set the clock.
    has_clock: bool,
    /// Found at the first case, because finding it may mean fetching it.
    binary: OnceLock<Result<gateway::Envoy, String>>,
    running: Arc<Pool<Setup, Running>>,
    /// Whether an Envoy can go on with the configuration of another case, once the module has been read. Starting one takes
    /// most of its time to compile the module: two seconds for a megabyte and a half.
    can_go_on: OnceLock<bool>,
    /// The same without the plug-in.
    plain: Arc<Pool<Setup, Running>>,
}

impl EnvoyEngine {
    /// An engine for the plug-in of this name in this module.
    #[must_use]
    pub fn new(plugin: &str, module: PathBuf) -> Self {
        Self {
            plugin: plugin.into(),
            module,
            logged: Vec::new(),
            has_clock: false,
            binary: OnceLock::new(),
            running: Pool::new(AT_ONCE),
            can_go_on: OnceLock::new(),
            plain: Pool::new(1),
        }
    }

    /// The same with Envoys whose clock begins where the mock host's does, and which requests set.
    pub(crate) fn with_clock(self) -> Self {
        Self { has_clock: true, ..self }
    }

    /// The same with Envoys whose access log shows these properties.
    pub(crate) fn with_access_log(self, logged: Vec<String>) -> Self {
        Self { logged, ..self }
    }

    fn start(&self, module: Option<&std::path::Path>, setup: &Setup) -> Result<Running, NotRunning> {
        let clock = self.has_clock.then(Clock::new).transpose()?;
        Running::start(self.binary()?, clock, &self.plugin, module, setup, &self.logged)
    }

    /// What the Envoy of a setup has to be started with.
    fn started_with(&self, setup: &Setup) -> Setup {
        // In comparisons, each scenario has a new VM on both sides.
        if self.has_clock || !*self.can_go_on.get_or_init(|| can_go_on(&self.module)) {
            return setup.clone();
        }
        Setup { configuration: None, reconfigured: true, ..setup.clone() }
    }

    fn binary(&self) -> anyhow::Result<&gateway::Envoy> {
        let found = self.binary.get_or_init(|| {
            let directory = gateway::target_dir().map_err(|error| error.to_string())?;
            gateway::Envoy::find(&directory).map_err(|error| {
                format!("{error}, or run the native engine: `cargo xtask test --engine native`")
            })
        });
        found.as_ref().map_err(|error| anyhow!("{error}"))
    }
}

impl Engine for EnvoyEngine {
    fn name(&self) -> EngineName {
        EngineName::Envoy
    }

    fn load(&self, setup: &Setup) -> anyhow::Result<Load> {
        let key = self.started_with(setup);
        let first = Setup { reconfigured: key.reconfigured, ..setup.clone() };
        match self.running.borrow(&key, || self.start(Some(&self.module), &first)) {
            Ok(running) => {
                if key.reconfigured
                    && let Err(log) =
                        running.gateway.configure(setup.configuration.as_deref(), &self.plugin)?
                {
                    return Ok(Load::Refused { log });
                }
                let counters_before = running.counters()?;
                Ok(Load::Loaded(Box::new(LoadedEnvoy { running, counters_before })))
            }
            Err(NotRunning::Refused(log)) => Ok(Load::Refused { log }),
            Err(NotRunning::Failed(error)) => Err(error),
        }
    }

    fn without_plugin(&self, setup: &Setup) -> anyhow::Result<Box<dyn Loaded>> {
        let gateway = setup.gateway.clone();
        let setup = Setup { gateway, ..Setup::default() };
        match self.plain.borrow(&setup, || self.start(None, &setup)) {
            Ok(running) => Ok(Box::new(LoadedEnvoy { running, counters_before: BTreeMap::new() })),
            Err(NotRunning::Refused(_)) => bail!("Envoy refuses a configuration without any plug-in"),
            Err(NotRunning::Failed(error)) => Err(error),
        }
    }
}

/// One Envoy, its upstream and its services.
struct Running {
    gateway: RunningGateway,
    clock: Option<Clock>,
    plugin: String,
    /// The name of the upstream's cluster.
    cluster: String,
    upstream: UpstreamServer,
    services: tokio::sync::Mutex<Services>,
    /// Runs the client and the servers, one exchange at a time.
    runtime: Runtime,
}

/// Why there is no Envoy for a setup.
enum NotRunning {
    Refused(Vec<LogLine>),
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for NotRunning {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Running {
    fn start(
        binary: &gateway::Envoy,
        clock: Option<Clock>,
        plugin: &str,
        module: Option<&std::path::Path>,
        setup: &Setup,
        logged: &[String],
    ) -> Result<Self, NotRunning> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (upstream, services) = runtime.block_on(async {
            anyhow::Ok((
                UpstreamServer::start(setup.gateway.upstream_protocol).await?,
                Services::start(&setup.services)?,
            ))
        })?;
        let wasm = module.map(|module| Wasm {
            configuration: setup.configuration.clone(),
            hold_headers: setup.gateway.hold_headers,
            ..Wasm::new(plugin, module)
        });
        let (route, cluster) = (&setup.gateway.route, &setup.gateway.cluster);
        let http2 = setup.gateway.upstream_protocol == Protocol::Http2;
        let mut clusters = services.clusters();
        // A service can be in the cluster of the route, for plug-ins that call it.
        if clusters.iter().all(|other| other.name != *cluster) {
            clusters.push(Cluster { http2, ..Cluster::at(cluster, upstream.address()) });
        }
        let bootstrap = Bootstrap {
            buffer_limit: setup.gateway.buffer_limit,
            workers: setup.gateway.workers,
            logged: logged.to_vec(),
            ..Bootstrap::new(wasm.into_iter().collect(), vec![Route::all(route, cluster)], clusters)
        };
        let with_clock = clock.as_ref().map(|clock| clock.envoy(binary)).transpose()?;
        let binary = with_clock.as_ref().unwrap_or(binary);
        match RunningGateway::start(binary, bootstrap, setup.gateway.log_level, setup.reconfigured) {
            Ok(gateway) => {
                let (plugin, cluster) = (plugin.into(), cluster.clone());
                Ok(Self { gateway, clock, plugin, cluster, upstream, services: services.into(), runtime })
            }
            Err(StartError::Refused { log }) => Err(NotRunning::Refused(of_plugin(&log, plugin))),
            Err(error) => Err(error.into()),
        }
    }

    async fn exchange(&self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        let (log, access) = (self.gateway.process().log_mark()?, self.gateway.process().access_mark()?);
        let stays_open = upstream.echo || upstream.open || !request.talk.is_empty() || request.is_upgrade();
        let breaks_off = (upstream.reset_after.is_some() || request.until_end) && !stays_open;
        let pace = breaks_off.then(Arc::<Pace>::default);
        self.upstream.answer_with(upstream, pace.clone());
        let mut services = self.services.lock().await;
        services.behave(&request.services).await?;
        let gone = async {
            match request.reset_when_called {
                Some(times) => services.called(times).await,
                None => std::future::pending().await,
            }
        };
        let head_came = || pace.iter().for_each(|pace| pace.head_came.notify_one());
        let process = self.gateway.process();
        let exchanged = tokio::select! {
            exchanged = client::send(&process, request, gone, &head_came) => exchanged?,
            error = self.watch_answer(request, upstream, pace.as_deref()) => return Err(error),
        };
        let line = self.access_line(&exchanged.client.to_string(), access).await?;
        let mut seen = self.upstream.seen().await;
        if seen.len() > 1 {
            bail!("the upstream saw {} requests for one: {seen:?}", seen.len());
        }
        Ok(Outcome {
            answer: exchanged.answer,
            stalled: exchanged.stalled,
            upstream: seen.pop(),
            calls: services.calls(),
            access_log: line.iter().flat_map(properties).collect(),
            details: line.map(|line| line.details).filter(|details| !details.is_empty()),
            log: of_plugin(&self.gateway.process().log_since(log)?, &self.plugin),
            counters: self.counters()?,
            ..Outcome::default()
        })
    }

    /// Tells an upstream that is to go away when Envoy has read what it sent. Ends only with an error.
    async fn watch_answer(
        &self,
        request: &Request,
        upstream: &Upstream,
        pace: Option<&Pace>,
    ) -> anyhow::Error {
        let Some(pace) = pace else { return std::future::pending().await };
        let sent = upstream::encode(upstream, *request.method == *b"HEAD").concat().len() as u64;
        let read = || self.gateway.process().bytes_read_from(&self.cluster);
        let all = match read() {
            Ok(before) => before + sent,
            Err(error) => return error.into(),
        };
        loop {
            tokio::time::sleep(PAUSE).await;
            match read() {
                Ok(read) if read >= all => pace.all_read.notify_one(),
                Ok(_) => continue,
                Err(error) => return error.into(),
            }
            return std::future::pending().await;
        }
    }

    /// The access-log line of the request from this address; nothing if Envoy never finished the request, or
    /// saw none in what was sent.
    async fn access_line(&self, client: &str, mut mark: Mark) -> anyhow::Result<Option<AccessLine>> {
        let search = async {
            loop {
                let (lines, after) = self.gateway.process().access_since(mark)?;
                if let Some(line) = lines.into_iter().find(|line| line.client == client) {
                    return anyhow::Ok(line);
                }
                mark = after;
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.ok().transpose()
    }

    fn counters(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let counters =
            self.gateway.process().plugin_counters().context("Envoy's admin interface does not answer")?;
        Ok(counters.into_iter().collect())
    }
}

/// The properties that the access log shows of a request.
fn properties(line: &AccessLine) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let set = line.properties.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    set.map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()))
}

/// Whether nothing that a module can do outlasts its configuration.
fn can_go_on(module: &std::path::Path) -> bool {
    let imports = |bytes: &[u8], name: &[u8]| bytes.windows(name.len()).any(|part| part == name);
    std::fs::read(module).is_ok_and(|bytes| !LASTING.iter().any(|name| imports(&bytes, name)))
}

/// What the plug-in logged, and Envoy's own warnings about it.
fn of_plugin(log: &[gateway::LogLine], plugin: &str) -> Vec<LogLine> {
    log.iter()
        .filter_map(|line| {
            let level = line.level;
            let warning = || (line.component == "wasm" && level >= LogLevel::Warn).then_some(&*line.message);
            let message = line.of_plugin(plugin).or_else(warning)?;
            Some(LogLine { level, message: message.into() })
        })
        .collect()
}

/// An Envoy for the length of one case.
struct LoadedEnvoy {
    running: Lease<Setup, Running>,
    /// The Envoy may have served other cases.
    counters_before: BTreeMap<String, u64>,
}

impl Loaded for LoadedEnvoy {
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        let running = &*self.running;
        if let (Some(clock), Some(time)) = (&running.clock, request.time) {
            clock.set(time)?;
        }
        let start = running.gateway.process().log_mark()?;
        let mut outcome = running.runtime.block_on(running.exchange(request, upstream)).map_err(|error| {
            let log = running.gateway.process().log_since(start).unwrap_or_default();
            let log: Vec<_> = log.iter().map(|line| format!("\n  {line}")).collect();
            anyhow!("{error:#}; Envoy's log{}", log.concat())
        })?;
        for (name, value) in &mut outcome.counters {
            *value = value.saturating_sub(self.counters_before.get(name).copied().unwrap_or(0));
        }
        Ok(outcome)
    }

    fn interleave(
        &mut self,
        requests: &[(Request, Upstream)],
        order: &Order,
    ) -> anyhow::Result<Vec<Outcome>> {
        let Order::Events(events) = order else { bail!("Envoy has no order at random") };
        let running = &*self.running;
        let mut outcomes = running.runtime.block_on(running.interleave(requests, events))?;
        for (name, value) in outcomes.iter_mut().flat_map(|outcome| &mut outcome.counters) {
            *value = value.saturating_sub(self.counters_before.get(name).copied().unwrap_or(0));
        }
        Ok(outcomes)
    }

    fn exchange_at_once(
        &mut self,
        request: &Request,
        upstream: &Upstream,
        times: u32,
        connections: u32,
    ) -> anyhow::Result<BTreeMap<u16, u32>> {
        let running = &*self.running;
        running.upstream.answer_with(upstream, None);
        running.runtime.block_on(async {
            running.services.lock().await.behave(&request.services).await?;
            client::send_at_once(&running.gateway.process(), request, times, connections).await
        })
    }
}
