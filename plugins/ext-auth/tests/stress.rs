//! Thousands of requests in a real Envoy, a third of whose clients go away while the service is asked.
//!
//! Part of `cargo xtask test ext-auth`, which builds the module and says in `PORTCULLIS_WASM` where it is.
//! `PORTCULLIS_REQUESTS` is how many; 10,000 unless it says otherwise.

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

/// Connections at a time.
const CLIENTS: usize = 16;

/// How long the service thinks about a request whose client goes away.
const THINKS: Duration = Duration::from_millis(40);

/// When that client goes away: the service has been asked, and has not answered.
const STAYS: Duration = Duration::from_millis(15);

/// What memory may have grown by: pools of buffers and connections, not what each of 10,000 requests leaves.
const GROWTH: u64 = 6 * 1024 * 1024;

#[test]
#[ignore = "takes the module in a real Envoy: run `cargo xtask test ext-auth`"]
fn clients_that_go_away_while_the_service_is_asked_leave_nothing() {
    let module =
        std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from).expect("run `cargo xtask test ext-auth`");
    let requests = std::env::var("PORTCULLIS_REQUESTS").map_or(10_000, |number| number.parse().unwrap());

    let asked = Arc::new(AtomicUsize::new(0));
    let service = serve(asked.clone());
    let upstream = serve(Arc::default());
    let wasm = Wasm::new("ext-auth", &module).configured(CONFIGURATION);
    let mut bootstrap = Bootstrap::single(wasm, upstream);
    bootstrap.clusters.push(Cluster::at(CLUSTER, service));
    let envoy = Envoy::find(&gateway::target_dir().unwrap()).unwrap();
    let process = Process::start(&envoy, &bootstrap, LogLevel::Warn).unwrap();

    // Whatever grows once does so here.
    run(&process, requests / 5);
    settle(&process);
    let (before, asked_before) = (process.memory().unwrap(), asked.load(Ordering::Relaxed));
    let log = process.log_mark().unwrap();
    let start = Instant::now();
    let gone = run(&process, requests);
    let seconds = start.elapsed().as_secs_f64();
    settle(&process);
    let after = process.memory().unwrap();

    let asked = asked.load(Ordering::Relaxed) - asked_before;
    let stats = process.stats("wasm|downstream_rq_(total|rx_reset)|upstream_rq_(active|timeout)").unwrap();
    println!("{requests} requests in {seconds:.1} s, {gone} clients gone, service asked {asked} times");
    println!("memory before {before:?}\nmemory after  {after:?}");
    stats.iter().for_each(|(name, value)| println!("{name} {value}"));

    assert_eq!(asked, requests, "the service is asked about each");
    let grown = |of: fn(&Memory) -> u64| of(&after).saturating_sub(of(&before));
    assert!(grown(|memory| memory.allocated) < GROWTH, "{before:?} {after:?}");
    assert!(grown(|memory| memory.resident) < GROWTH, "{before:?} {after:?}");
    let warnings = process.log_since(log).unwrap();
    assert!(warnings.is_empty(), "a trap, or something else to warn of: {warnings:?}");
    assert_eq!(answered(process.address()), "HTTP/1.1 200 OK", "it serves on");
}

/// Sends so many requests; every third client goes away. Gives how many did.
fn run(process: &Process, requests: usize) -> usize {
    let (next, gone) = (AtomicUsize::new(0), AtomicUsize::new(0));
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
                        std::thread::sleep(STAYS);
                        gone.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(answered(process.address()), "HTTP/1.1 200 OK");
                    }
                }
            });
        }
    });
    gone.into_inner()
}

/// The status line of the answer to one request on a connection of its own.
fn answered(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET /fast HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, no hang");
    answer.lines().next().unwrap_or_default().into()
}

/// Waits until no request is under way.
fn settle(process: &Process) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let active = process.stats("(downstream_cx_active|upstream_rq_active)").unwrap();
        let active: Vec<_> =
            active.into_iter().filter(|(name, value)| !name.contains("admin") && *value > 0).collect();
        if active.is_empty() {
            // What Envoy deletes later, in its event loop.
            return std::thread::sleep(Duration::from_millis(200));
        }
        assert!(Instant::now() < deadline, "still under way: {active:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server that answers 200 to everything, and takes its time over `/slow`.
fn serve(asked: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(path) = request(&mut stream) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    if path.ends_with("/slow") {
                        std::thread::sleep(THINKS);
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

/// Reads a request and gives its path; nothing when the connection is over.
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
