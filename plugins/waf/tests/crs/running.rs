//! An Envoy with the module, in front of an upstream that counts the connections on which it receives anything.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gateway::{AccessLine, Bootstrap, Envoy, LogLevel, Process, Wasm};

/// The property with the rules that matched.
const HITS: &str = "waf";

/// Clients at a time.
const CLIENTS: usize = 4;

/// Connections at a time.
const AT_ONCE: usize = 400;

/// How long a client waits for a response: a request whose body never ends has none.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the last lines of the access log may take.
const ACCESS_LOG: Duration = Duration::from_secs(10);

/// A running Envoy.
pub struct Running {
    process: Process,
    reached: Arc<AtomicUsize>,
}

/// What came of a connection with one request.
#[derive(Debug, Default)]
pub struct Seen {
    /// The status of each request that Envoy saw.
    pub statuses: Vec<u16>,
    /// The response-code details of each.
    pub details: Vec<String>,
    /// What the plug-in reports of each that it has judged.
    pub hits: Vec<String>,
}

impl Seen {
    /// The rules that matched.
    pub fn ids(&self) -> Vec<u32> {
        let hits = self.hits.iter().flat_map(|line| line.split(','));
        hits.filter_map(|hit| hit.split_once('@').map_or(hit, |(id, _)| id).parse().ok()).collect()
    }

    /// Returns true if the plug-in has refused a request.
    pub fn is_denied(&self) -> bool {
        self.details.iter().any(|details| details.starts_with("waf.denied"))
    }

    /// Returns true if Envoy itself has refused what it received.
    pub fn is_rejected(&self) -> bool {
        let by_plugin = self.details.iter().any(|details| details.starts_with("waf."));
        self.statuses.iter().all(|status| (400..600).contains(status)) && !by_plugin
    }
}

impl Running {
    /// Starts an Envoy that holds headers.
    pub fn start(module: &Path, configuration: &serde_json::Value) -> Result<Self> {
        let reached = Arc::<AtomicUsize>::default();
        let upstream = upstream(Arc::clone(&reached))?;
        let wasm = Wasm::new("waf", module).configured(&configuration.to_string());
        let wasm = Wasm { hold_headers: true, ..wasm };
        let bootstrap = Bootstrap { logged: vec![HITS.to_owned()], ..Bootstrap::single(wasm, upstream) };
        let envoy = Envoy::find(&gateway::target_dir()?)?;
        let process = Process::start(&envoy, &bootstrap, LogLevel::Info)?;
        let log = process.log_since(gateway::Mark::default())?;
        let has_rules = log.iter().any(|line| line.message.contains("rules: OWASP_CRS/"));
        ensure!(has_rules, "the module does not contain the Core Rule Set: build it with the folder in CRS");
        Ok(Self { process, reached })
    }

    /// The number of requests of which the upstream has received a byte: each has a connection of its own.
    pub fn reached_upstream(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// Sends each request on a connection of its own.
    pub fn send(&self, requests: &[&[u8]]) -> Result<Vec<Seen>> {
        let batches = requests.chunks(AT_ONCE).map(|batch| self.send_batch(batch));
        Ok(batches.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Keeps the connections until their lines are in the access log, which have their ports only.
    fn send_batch(&self, requests: &[&[u8]]) -> Result<Vec<Seen>> {
        let address = self.process.address();
        let mut mark = self.process.access_mark()?;
        let connections: Vec<TcpStream> = thread::scope(|scope| {
            let part = requests.len().div_ceil(CLIENTS).max(1);
            let clients: Vec<_> = requests
                .chunks(part)
                .map(|part| {
                    scope.spawn(move || part.iter().map(|wire| exchange(address, wire)).collect::<Vec<_>>())
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Result<_>>()
        })?;
        let clients = connections.iter().map(|stream| Ok(stream.local_addr()?.to_string()));
        let clients = clients.collect::<Result<Vec<String>>>()?;
        let mut lines = BTreeMap::<String, Vec<AccessLine>>::new();
        let deadline = Instant::now() + ACCESS_LOG;
        while clients.iter().any(|client| !lines.contains_key(client)) {
            let missing = clients.iter().position(|client| !lines.contains_key(client));
            if let (true, Some(index)) = (Instant::now() > deadline, missing) {
                let wire = requests.get(index).copied().unwrap_or_default();
                bail!("the access log lacks a request: {}", wire.escape_ascii());
            }
            let (new, after) = self.process.access_since(mark)?;
            mark = after;
            for line in new {
                lines.entry(line.client.clone()).or_default().push(line);
            }
            thread::sleep(Duration::from_millis(5));
        }
        let of = |client: &String| {
            let lines = lines.remove(client).context("two requests from one port")?;
            let hits = lines.iter().filter_map(|line| line.properties.get(HITS)?.clone());
            Ok(Seen {
                hits: hits.collect(),
                statuses: lines.iter().map(|line| line.status).collect(),
                details: lines.into_iter().map(|line| line.details).collect(),
            })
        };
        clients.iter().map(of).collect()
    }
}

/// Sends a request, and waits for the head of its response.
fn exchange(to: SocketAddr, wire: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Envoy may have refused it before its end.
    let _ = stream.write_all(wire);
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !has_response(&text) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(_) => {
                // Ends a request whose body does not.
                let _ = stream.shutdown(Shutdown::Both);
                break;
            }
        }
    }
    Ok(stream)
}

/// Returns true at the end of the headers of a response, other than one with status 100.
fn has_response(text: &[u8]) -> bool {
    let end = |text: &[u8]| text.windows(4).position(|window| window == b"\r\n\r\n");
    match end(text) {
        Some(at) if text.starts_with(b"HTTP/1.1 100") => {
            text.get(at + 4..).is_some_and(|rest| end(rest).is_some())
        }
        end => end.is_some(),
    }
}

/// A server that answers each request, and counts the connections on which it receives anything.
fn upstream(reached: Arc<AtomicUsize>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let reached = Arc::clone(&reached);
            thread::spawn(move || answer(stream, &reached));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, reached: &AtomicUsize) {
    let mut head = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let mut is_answered = false;
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if head.is_empty() {
            reached.fetch_add(1, Ordering::SeqCst);
        }
        if is_answered {
            continue;
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if head.windows(4).any(|window| window == b"\r\n\r\n") {
            is_answered = true;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}
