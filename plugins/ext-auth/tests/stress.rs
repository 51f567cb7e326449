//! Thousands of requests in a real Envoy, a third of whose clients disconnect during the call.
//!
//! Part of `cargo xtask test ext-auth`, which builds the module and sets `PORTCULLIS_WASM` to its path.
//! `PORTCULLIS_REQUESTS` is the number of requests, 10,000 by default.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gateway::{Bootstrap, Cluster, Envoy, LogLevel, Memory, Process, Wasm};

const CLUSTER: &str = "outbound|8090||auth.default.svc.cluster.local";
const CONFIGURATION: &str = r#"{"http_service": {"timeout": 5000, "endpoint": {
    "service_name": "auth.default.svc.cluster.local", "service_port": 8090, "path_prefix": "/auth"}}}"#;

/// Concurrent connections.
const CLIENTS: usize = 16;

/// Delay of the service for a request whose client disconnects.
const DELAY: Duration = Duration::from_millis(40);

/// Time until that client disconnects, during the call.
const DISCONNECT_AFTER: Duration = Duration::from_millis(15);

/// Maximum growth of memory: pools of buffers and connections, but no state of each request.
const MAX_GROWTH: u64 = 6 * 1024 * 1024;

#[test]
#[ignore = "takes the module in a real Envoy: run `cargo xtask test ext-auth`"]
fn clients_that_disconnect_during_the_call_leave_no_state() {
    let module =
        std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from).expect("run `cargo xtask test ext-auth`");
    let requests = std::env::var("PORTCULLIS_REQUESTS").map_or(10_000, |number| number.parse().unwrap());

    let calls = Arc::new(AtomicUsize::new(0));
    let service = serve(calls.clone());
    let upstream = serve(Arc::default());
    let wasm = Wasm::new("ext-auth", &module).configured(CONFIGURATION);
    let mut bootstrap = Bootstrap::single(wasm, upstream);
    bootstrap.clusters.push(Cluster::at(CLUSTER, service));
    let envoy = Envoy::find(&gateway::target_dir().unwrap()).unwrap();
    let process = Process::start(&envoy, &bootstrap, LogLevel::Warn).unwrap();

    // Warm up, so one-time growth is not measured.
    run(&process, requests / 5);
    wait_until_idle(&process);
    let (before, calls_before) = (process.memory().unwrap(), calls.load(Ordering::Relaxed));
    let log = process.log_mark().unwrap();
    let start = Instant::now();
    let disconnected = run(&process, requests);
    let seconds = start.elapsed().as_secs_f64();
    wait_until_idle(&process);
    let after = process.memory().unwrap();

    let calls = calls.load(Ordering::Relaxed) - calls_before;
    let stats = process.stats("wasm|downstream_rq_(total|rx_reset)|upstream_rq_(active|timeout)").unwrap();
    println!("{requests} requests in {seconds:.1} s, {disconnected} clients disconnected, {calls} calls");
    println!("memory before {before:?}\nmemory after  {after:?}");
    stats.iter().for_each(|(name, value)| println!("{name} {value}"));

    assert_eq!(calls, requests, "one call per request");
    let grown = |of: fn(&Memory) -> u64| of(&after).saturating_sub(of(&before));
    assert!(grown(|memory| memory.allocated) < MAX_GROWTH, "{before:?} {after:?}");
    assert!(grown(|memory| memory.resident) < MAX_GROWTH, "{before:?} {after:?}");
    let warnings = process.log_since(log).unwrap();
    assert!(warnings.is_empty(), "unexpected warnings: {warnings:?}");
    assert_eq!(status_line(process.address()), "HTTP/1.1 200 OK", "still serving");
}

/// Sends requests; every third client disconnects. Returns the number of those.
fn run(process: &Process, requests: usize) -> usize {
    let (next, disconnected) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    if number % 3 == 0 {
                        let mut stream = TcpStream::connect(process.address()).unwrap();
                        let body = if number % 2 == 0 { "" } else { "content-length: 3\r\n\r\nabc" };
                        write!(stream, "POST /slow HTTP/1.1\r\nhost: a\r\n{body}\r\n\r\n").unwrap();
                        std::thread::sleep(DISCONNECT_AFTER);
                        disconnected.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(status_line(process.address()), "HTTP/1.1 200 OK");
                    }
                }
            });
        }
    });
    disconnected.into_inner()
}

/// Sends one request on a new connection and returns the status line.
fn status_line(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET /fast HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a response before the timeout");
    answer.lines().next().unwrap_or_default().into()
}

/// Waits until no request is active.
fn wait_until_idle(process: &Process) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let active = process.stats("(downstream_cx_active|upstream_rq_active)").unwrap();
        let active: Vec<_> =
            active.into_iter().filter(|(name, value)| !name.contains("admin") && *value > 0).collect();
        if active.is_empty() {
            // Envoy deletes some objects later, in its event loop.
            return std::thread::sleep(Duration::from_millis(200));
        }
        assert!(Instant::now() < deadline, "still active: {active:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a server that responds with 200, after a delay to `/slow`.
fn serve(calls: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let calls = calls.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(path) = request(&mut stream) {
                    calls.fetch_add(1, Ordering::Relaxed);
                    if path.ends_with("/slow") {
                        std::thread::sleep(DELAY);
                    }
                    if stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Reads a request and returns its path, or `None` at the end of the connection.
fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut path, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            stream.read_exact(&mut vec![0; length]).ok()?;
            return path;
        }
        match line.strip_prefix("content-length: ") {
            Some(value) => length = value.parse().ok()?,
            None if path.is_none() => path = line.split(' ').nth(1).map(str::to_owned),
            None => {}
        }
    }
}
