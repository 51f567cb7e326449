//! Thousands of requests in a real Envoy, a third of whose clients disconnect during the call.
//!
//! Part of `cargo xtask test ext-auth`, which builds the module and sets `PORTCULLIS_WASM` to its path.
//! `PORTCULLIS_REQUESTS` is the number of requests, 10,000 by default.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may stop")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gateway::{Bootstrap, Cluster, Envoy, LogLevel, Process, Wasm};
use testkit::flood;

const CLUSTER: &str = "outbound|8090||auth.default.svc.cluster.local";
const CONFIGURATION: &str = r#"{"http_service": {"timeout": 5000, "endpoint": {
    "service_name": "auth.default.svc.cluster.local", "service_port": 8090, "path_prefix": "/auth"}}}"#;

/// Concurrent connections.
const CLIENTS: usize = 16;

/// Delay of the service for a request whose client disconnects.
const DELAY: Duration = Duration::from_millis(40);

/// Time until that client disconnects, during the call.
const DISCONNECT_AFTER: Duration = Duration::from_millis(15);

#[test]
#[ignore = "takes the module in a real Envoy: run `cargo xtask test ext-auth`"]
fn clients_that_disconnect_during_the_call_leave_no_state() {
    let requests = flood::requests(10_000).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let answer = move |path: &str| {
        counted.fetch_add(1, Ordering::Relaxed);
        if path.ends_with("/slow") {
            std::thread::sleep(DELAY);
        }
        "ok"
    };
    let service = flood::serve(answer).unwrap();
    let upstream = flood::serve(|_| "ok").unwrap();
    let wasm = Wasm::new("ext-auth", &flood::module().unwrap()).configured(CONFIGURATION);
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
    stats.iter().for_each(|(name, value)| println!("{name} {value}"));

    assert_eq!(calls, requests, "one call per request");
    flood::assert_flat(&before, &after).unwrap();
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
