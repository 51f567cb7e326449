//! Two gateways with cluster-key-rate-limit, and requests to both.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gateway::{Bootstrap, Cluster, Envoy, LogLevel, Process, Route, Wasm};
use workspace::build::{Builder, Profile};

use crate::{CONNECTIONS, LIMIT, any_port};

const PLUGIN: &str = "cluster-key-rate-limit";
pub(crate) const SERVICE: &str = "limits.dns";

/// Two gateways with two workers each.
pub(crate) struct Gateways(Vec<Process>);

/// The number of requests with each result, and how long they took.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: u64,
    pub(crate) refused: u64,
    /// Answered with 503, because the service was unavailable.
    pub(crate) unavailable: u64,
    pub(crate) times: Times,
}

impl Outcome {
    pub(crate) fn total(&self) -> u64 {
        self.passed + self.refused + self.unavailable
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
        self.times.0.extend(other.times.0);
    }
}

/// How long each request took; printed as the 99th percentile.
#[derive(Default)]
pub(crate) struct Times(pub(crate) Vec<Duration>);

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99 / 100).min(sorted.len().saturating_sub(1));
        write!(f, "99 % within {:.1?}", sorted.get(at).copied().unwrap_or_default())
    }
}

/// Builds the module of a plug-in.
pub(crate) fn module(plugin: &str) -> PathBuf {
    let workspace = workspace::Workspace::at(Path::new(env!("CARGO_MANIFEST_DIR")), |_| {}).unwrap();
    let plugin = workspace.plugin(plugin).unwrap();
    Builder::new(&workspace).unwrap().build(plugin, Profile::Release).unwrap()
}

/// Starts a gateway of two workers with a plug-in, which may count in a service.
pub(crate) fn process(
    plugin: &str,
    module: &Path,
    configuration: &str,
    upstream: SocketAddr,
    service: Option<SocketAddr>,
) -> Process {
    let envoy = Envoy::find(&gateway::target_dir().unwrap()).unwrap();
    let mut clusters = vec![Cluster::at("upstream", upstream)];
    clusters.extend(service.map(|address| Cluster {
        http2: true,
        ..Cluster::at(&Cluster::name_of(SERVICE, address.port()), address)
    }));
    let wasm = Wasm::new(plugin, module).configured(configuration);
    let mut bootstrap = Bootstrap::new(vec![wasm], vec![Route::all("default", "upstream")], clusters);
    bootstrap.workers = 2;
    Process::start(&envoy, &bootstrap, LogLevel::Warn).unwrap()
}

impl Gateways {
    /// Starts gateways that count in a service in a mode, or each on its own.
    pub(crate) fn start(service: Option<(&str, SocketAddr)>) -> Self {
        let module = module(PLUGIN);
        let store = service.map_or(String::new(), |(mode, address)| {
            let port = address.port();
            format!(
                r#", "rate_limit_service": {{"service_name": "{SERVICE}", "service_port": {port}, "domain": "edge", "mode": "{mode}", "failure_mode_allow": false}}"#
            )
        });
        let configuration = format!(
            r#"{{"rule_name": "replicas",
                "rule_items": [{{"limit_by_per_header": "x-key", "limit_keys": [{{"key": "*", "query_per_minute": {LIMIT}}}]}}]{store}}}"#
        );
        let (upstream, service) = (upstream(), service.map(|(_, address)| address));
        let start = || process(PLUGIN, &module, &configuration, upstream, service);
        Gateways(vec![start(), start()])
    }

    /// Sends requests with a key over all connections. Does something after a tenth of a second.
    pub(crate) fn flood(&self, key: &str, requests: u64, meanwhile: impl FnOnce()) -> Outcome {
        let each = requests / CONNECTIONS;
        let addresses = self.0.iter().map(Process::address).cycle();
        let threads: Vec<_> = addresses
            .take(usize::try_from(CONNECTIONS).unwrap())
            .map(|address| {
                let key = key.to_owned();
                thread::spawn(move || send(address, &key, each))
            })
            .collect();
        thread::sleep(Duration::from_millis(100));
        meanwhile();
        let mut all = Outcome::default();
        threads.into_iter().for_each(|thread| all.add(thread.join().unwrap()));
        all
    }

    /// Returns the CPU time that both have used.
    pub(crate) fn cpu_time(&self) -> Duration {
        /// Ticks per second of `/proc`, on every Linux.
        const TICKS: u64 = 100;
        let ticks = self.0.iter().map(|process| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
            // The name in parentheses may contain spaces; utime and stime are the 12th and 13th fields after it.
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        });
        Duration::from_millis(ticks.sum::<u64>() * 1_000 / TICKS)
    }
}

/// Starts an upstream that answers every request with 200.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while read_head(&mut reader).is_some() {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Reads the lines before a body, in lower case.
pub(crate) fn read_head(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Some(lines);
        }
        lines.push(line);
    }
}

fn send(address: SocketAddr, key: &str, requests: u64) -> Outcome {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut outcome = Outcome::default();
    for _ in 0..requests {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-key: {key}\r\n\r\n");
        let start = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut reader).expect("every request gets a response");
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        outcome.times.0.push(start.elapsed());
        match head[0].split(' ').nth(1).unwrap() {
            "200" => outcome.passed += 1,
            "429" => outcome.refused += 1,
            "503" => {
                outcome.unavailable += 1;
                // Otherwise, all requests would be over before the service is back.
                thread::sleep(Duration::from_millis(20));
            }
            other => panic!("unexpected status {other}"),
        }
    }
    outcome
}
