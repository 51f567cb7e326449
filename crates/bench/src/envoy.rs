//! One Envoy with one worker and a listener for each thing to compare, so that all are measured in one process.
//!
//! `gateway`'s bootstrap has one plug-in and an access log, for tests; here nothing may cost anything that is not
//! measured. A GET is answered by the listener itself; what may have a body goes to an upstream: another Envoy, which takes the
//! body whole before it answers, because an answer before the end would cut it short, or a [stream of events](crate::stream).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gateway::admin;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stream::{self, Events};

/// How long Envoy may take to start: several VMs, each with a large module and ten thousand patterns.
const PATIENCE: Duration = Duration::from_secs(300);

/// The most of a body that is held for a plug-in.
pub(crate) const BUFFER: u32 = 16 * 1024 * 1024;

/// Has Envoy log when it enters a VM and when it leaves it, to the microsecond.
const TRACING: [&str; 4] = ["--component-log-level", "wasm:trace", "--log-format", "%E.%f %v"];

/// A listener.
#[derive(PartialEq, Eq)]
pub(crate) struct Arm {
    /// Its filters, in the order of requests.
    pub(crate) filters: Vec<Filter>,
    /// What the upstream answers requests with a body, if not 200 without a body.
    pub(crate) response: Option<Events>,
}

/// A filter of a listener.
#[derive(PartialEq, Eq)]
pub(crate) enum Filter {
    /// A plug-in.
    Wasm(Wasm),
    /// A filter of Envoy itself.
    Native(Value),
}

/// A plug-in behind a listener.
#[derive(PartialEq, Eq)]
pub(crate) struct Wasm {
    pub(crate) module: PathBuf,
    /// The document as it gets it.
    pub(crate) config: Option<String>,
    pub(crate) hold_headers: bool,
}

/// A running Envoy; it ends with this, and with the program.
pub(crate) struct Envoy {
    child: Child,
    /// Where each listener listens, in the order of starting.
    pub(crate) listeners: Vec<SocketAddr>,
    folder: TempDir,
}

impl Envoy {
    /// An Envoy with a listener for each of `arms`, on one core.
    pub(crate) fn start(binary: &Path, core: usize, arms: &[Arm], upstreams: &Upstreams) -> Result<Self> {
        let listeners = arms.iter().enumerate().map(|(number, arm)| {
            let filters = arm.filters.iter().enumerate().map(|(place, filter)| match filter {
                Filter::Wasm(wasm) => wasm_filter(&format!("arm-{number}-{place}"), wasm),
                Filter::Native(filter) => filter.clone(),
            });
            listener(&format!("arm-{number}"), filters.collect(), &routes(arm.response))
        });
        let config = json!({
            "admin": { "address": address(any_port()) },
            "static_resources": { "listeners": listeners.collect::<Vec<_>>(), "clusters": upstreams.clusters() },
        });
        Self::spawn(binary, core, &config, arms.len(), &[])
    }

    /// How long a module takes over its configuration, in each VM that Envoy makes of it.
    pub(crate) fn load_times(binary: &Path, core: usize, wasm: &Wasm) -> Result<Vec<Duration>> {
        let config = json!({
            "admin": { "address": address(any_port()) },
            "static_resources": { "listeners": [listener("arm-0", vec![wasm_filter("arm-0", wasm)], &json!([]))] },
        });
        let envoy = Self::spawn(binary, core, &config, 1, &TRACING)?;
        let mut began = None;
        let mut times = Vec::new();
        for line in envoy.log().lines() {
            let Some((at, what)) = line.split_once(' ') else { continue };
            if what.starts_with("[host->vm] proxy_on_configure") {
                began = at.parse::<f64>().ok();
            } else if what.starts_with("[host<-vm] proxy_on_configure") {
                let took = began.take().zip(at.parse::<f64>().ok()).map(|(began, ended)| ended - began);
                times.extend(took.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))));
            }
        }
        Ok(times)
    }

    /// An Envoy that takes each request whole and answers 200.
    pub(crate) fn upstream(binary: &Path, core: usize) -> Result<Self> {
        let buffer = json!({
            "name": "envoy.filters.http.buffer",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                "max_request_bytes": BUFFER,
            },
        });
        let routes = json!([{ "match": { "prefix": "/" }, "direct_response": { "status": 200 } }]);
        let config = json!({
            "admin": { "address": address(any_port()) },
            "static_resources": { "listeners": [listener("arm-0", vec![buffer], &routes)] },
        });
        Self::spawn(binary, core, &config, 1, &[])
    }

    fn spawn(binary: &Path, core: usize, config: &Value, listeners: usize, args: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir()?;
        let (file, admin_file) = (folder.path().join("envoy.json"), folder.path().join("admin"));
        fs::write(&file, serde_json::to_vec(config)?)?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = pinned(core);
        command.arg(binary).arg("--config-path").arg(&file).arg("--admin-address-path").arg(&admin_file);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        command.args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context(PINNING)?;
        let mut envoy = Self { child, listeners: Vec::new(), folder };
        let deadline = Instant::now() + PATIENCE;
        while !envoy.serves(&admin_file, listeners) {
            if let Some(status) = envoy.child.try_wait()? {
                bail!("Envoy ended before it served ({status}):\n{}", envoy.log());
            }
            if Instant::now() > deadline {
                bail!("Envoy did not serve within {} s:\n{}", PATIENCE.as_secs(), envoy.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(envoy)
    }

    fn serves(&mut self, admin_file: &Path, listeners: usize) -> bool {
        let Some(at) = fs::read_to_string(admin_file).ok().and_then(|text| text.trim().parse().ok()) else {
            return false;
        };
        let answer = admin::get(at, "/ready").and_then(|_| admin::get(at, "/listeners?format=json"));
        let Ok(answer) = answer else {
            return false;
        };
        self.listeners = addresses(&answer, listeners).unwrap_or_default();
        self.listeners.len() == listeners
    }

    /// What it has logged.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The CPU time that its worker has used so far, by the scheduler's own clock.
    pub(crate) fn worker_time(&self) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.trim() == "wrk:worker_0" {
                let file = task.join("schedstat");
                let text = fs::read_to_string(&file).with_context(|| {
                    format!("reading {}: measuring needs a Linux with CONFIG_SCHED_INFO", file.display())
                })?;
                let time = text.split(' ').next().and_then(|text| text.parse().ok());
                return Ok(Duration::from_nanos(time.context("no time in schedstat")?));
            }
        }
        bail!("Envoy has no worker thread in {tasks}")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Nothing can be done about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is missing when a child cannot be started.
pub(crate) const PINNING: &str =
    "setpriv and taskset not found: install them with `sudo apt-get install util-linux`";

/// A command, yet without its program, that is kept on one core and ends with this program.
pub(crate) fn pinned(core: usize) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &core.to_string()]);
    command
}

fn wasm_filter(name: &str, wasm: &Wasm) -> Value {
    let mut config = json!({
        "name": name,
        // Each has a VM of its own, even where two run the same module.
        "vm_config": {
            "vm_id": name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": wasm.module } },
        },
        "allow_on_headers_stop_iteration": wasm.hold_headers,
    });
    if let (Some(text), Some(config)) = (&wasm.config, config.as_object_mut()) {
        let value = json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text });
        config.insert("configuration".into(), value);
    }
    json!({
        "name": "wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": config,
        },
    })
}

/// Bodies go to an upstream; a GET has none and is answered here. Not by `content-length`: a plug-in that may change the
/// body removes it, and would be measured without ever seeing the body.
fn routes(response: Option<Events>) -> Value {
    let get = json!({ "name": ":method", "string_match": { "exact": "GET" } });
    json!([
        { "match": { "prefix": "/", "headers": [get] }, "direct_response": { "status": 200 } },
        { "match": { "prefix": "/" }, "route": { "cluster": cluster_name(response), "timeout": "0s" } },
    ])
}

fn listener(name: &str, mut filters: Vec<Value>, routes: &Value) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    }));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
        "http_filters": filters,
    });
    json!({
        "name": name,
        "address": address(any_port()),
        "per_connection_buffer_limit_bytes": BUFFER,
        "filter_chains": [{
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
        }],
    })
}

/// The name of the cluster that bodies go to.
fn cluster_name(response: Option<Events>) -> String {
    match response {
        None => "upstream".into(),
        Some(Events { events, pieces }) => format!("{events}-events-in-{pieces}"),
    }
}

/// Where requests with a body go.
pub(crate) struct Upstreams {
    whole: Envoy,
    events: BTreeMap<String, stream::Upstream>,
}

impl Upstreams {
    /// Starts what these listeners need.
    pub(crate) fn start(binary: &Path, core: usize, arms: &[Arm]) -> Result<Self> {
        let mut events = BTreeMap::new();
        for response in arms.iter().filter_map(|arm| arm.response) {
            if let Entry::Vacant(place) = events.entry(cluster_name(Some(response))) {
                place.insert(stream::Upstream::start(response)?);
            }
        }
        Ok(Self { whole: Envoy::upstream(binary, core)?, events })
    }

    fn clusters(&self) -> Vec<Value> {
        let whole = self.whole.listeners.iter().map(|address| cluster(&cluster_name(None), *address, false));
        let events = self.events.iter().map(|(name, upstream)| cluster(name, upstream.address, true));
        whole.chain(events).collect()
    }
}

fn cluster(name: &str, upstream: SocketAddr, is_http2: bool) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(upstream) } }] }],
        },
    });
    if let (true, Some(cluster)) = (is_http2, cluster.as_object_mut()) {
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let http2 = json!({
            options: {
                "@type": format!("type.googleapis.com/{options}"),
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        });
        cluster.insert("typed_extension_protocol_options".into(), http2);
    }
    cluster
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}

/// The addresses of `arm-0`, `arm-1` and so on.
fn addresses(answer: &[u8], listeners: usize) -> Option<Vec<SocketAddr>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let statuses = answer.get("listener_statuses")?.as_array()?;
    let of = |number: usize| {
        let name = format!("arm-{number}");
        let status = statuses.iter().find(|status| status.get("name").is_some_and(|other| *other == name))?;
        let port = status.pointer("/local_address/socket_address/port_value")?.as_u64()?;
        Some(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?)))
    };
    (0..listeners).map(of).collect()
}
