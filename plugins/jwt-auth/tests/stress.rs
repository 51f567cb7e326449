//! A flood of invalid tokens in a real Envoy: memory stays flat, and the keys are fetched no more than `min_refresh` allows.
//!
//! Part of `cargo xtask test jwt-auth`, which builds the module and sets `PORTCULLIS_WASM` to its path.
//! `PORTCULLIS_REQUESTS` is the number of requests of each kind, 100,000 by default.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::{Bootstrap, Cluster, Envoy, LogLevel, Memory, Process, Wasm};

const CLUSTER: &str = "outbound|443||idp.dns";
const MIN_REFRESH: usize = 2;
const CONFIGURATION: &str = r#"{"consumers": [{"name": "alice", "issuer": "a", "remote_jwks":
    {"uri": "https://idp.example.com/jwks", "service_name": "idp.dns", "min_refresh": 2}}]}"#;

/// The key of RFC 7515, appendix A.3.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// Concurrent connections.
const CLIENTS: usize = 8;

/// Maximum growth of memory: pools of buffers, but no state of each request.
const MAX_GROWTH: u64 = 6 * 1024 * 1024;

#[test]
#[ignore = "takes the module in a real Envoy: run `cargo xtask test jwt-auth`"]
fn invalid_tokens_and_unknown_kids_leave_no_state_and_fetch_little() {
    let module =
        std::env::var_os("PORTCULLIS_WASM").map(PathBuf::from).expect("run `cargo xtask test jwt-auth`");
    let requests = std::env::var("PORTCULLIS_REQUESTS").map_or(100_000, |number| number.parse().unwrap());
    let fetches = Arc::new(AtomicUsize::new(0));
    let service = serve(fetches.clone(), KEYS);
    let upstream = serve(Arc::default(), "ok");
    let wasm = Wasm::new("jwt-auth", &module).configured(CONFIGURATION);
    let mut bootstrap = Bootstrap::single(wasm, upstream);
    bootstrap.clusters.push(Cluster::at(CLUSTER, service));
    let envoy = Envoy::find(&gateway::target_dir().unwrap()).unwrap();
    let process = Process::start(&envoy, &bootstrap, LogLevel::Error).unwrap();

    let started = Instant::now();
    let malformed = |number: usize| format!("{number}.e30.{number}");
    let unknown = |number: usize| {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"unknown-{number}"}}"#));
        format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"iss":"a","exp":4102444800}"#))
    };
    // The first request waits for the keys; others would receive 503 meanwhile.
    flood(process.address(), 1, &unknown);
    // Warm up, so one-time growth is not measured.
    flood(process.address(), requests / 10, &malformed);
    flood(process.address(), requests / 10, &unknown);
    let before = process.memory().unwrap();
    flood(process.address(), requests, &malformed);
    flood(process.address(), requests, &unknown);
    std::thread::sleep(Duration::from_millis(500));
    let after = process.memory().unwrap();

    let (seconds, fetches) = (started.elapsed().as_secs_f64(), fetches.load(Ordering::Relaxed));
    println!("{requests} requests of each kind, {fetches} fetches in {seconds:.1} s");
    println!("memory before {before:?}\nmemory after  {after:?}");
    let allowed = 1 + started.elapsed().as_secs() as usize / MIN_REFRESH;
    assert!((1..=allowed).contains(&fetches), "{fetches} fetches, {allowed} allowed");
    let grown = |of: fn(&Memory) -> u64| of(&after).saturating_sub(of(&before));
    assert!(grown(|memory| memory.allocated) < MAX_GROWTH, "{before:?} {after:?}");
    assert!(grown(|memory| memory.resident) < MAX_GROWTH, "{before:?} {after:?}");
}

/// Sends requests with tokens, all of which must be refused.
fn flood(address: SocketAddr, requests: usize, token: &(impl Fn(usize) -> String + Sync)) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
                stream.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    let token = token(number);
                    let request =
                        format!("GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
                    stream.get_mut().write_all(request.as_bytes()).unwrap();
                    let status = response(&mut stream);
                    assert!(status.starts_with("HTTP/1.1 401"), "{status}");
                }
            });
        }
    });
}

/// Reads a response, and returns its status line.
fn response(stream: &mut BufReader<TcpStream>) -> String {
    let (mut status, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a response before the timeout");
        let line = line.trim_end();
        if line.is_empty() {
            stream.read_exact(&mut vec![0; length]).unwrap();
            return status;
        }
        match line.strip_prefix("content-length: ") {
            Some(value) => length = value.parse().unwrap(),
            None if status.is_empty() => line.clone_into(&mut status),
            None => {}
        }
    }
}

/// Starts a server that responds with a body.
fn serve(requests: Arc<AtomicUsize>, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let requests = requests.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                let mut line = String::new();
                while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
                    if line.trim_end().is_empty() {
                        requests.fetch_add(1, Ordering::Relaxed);
                        let length = body.len();
                        let _ = write!(
                            stream.get_mut(),
                            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
                        );
                    }
                    line.clear();
                }
            });
        }
    });
    address
}
