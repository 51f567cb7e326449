//! A flood of invalid tokens in a real Envoy: memory stays flat, and the keys are fetched no more than `min_refresh` allows.
//!
//! Part of `cargo xtask test jwt-auth`, which builds the module and sets `PORTCULLIS_WASM` to its path.
//! `PORTCULLIS_REQUESTS` is the number of requests of each kind, 100,000 by default.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may stop")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::{Bootstrap, Cluster, Envoy, LogLevel, Process, Wasm};
use testkit::flood;

const CLUSTER: &str = "outbound|443||idp.dns";
const MIN_REFRESH: usize = 2;
const CONFIGURATION: &str = r#"{"consumers": [{"name": "alice", "issuer": "a", "remote_jwks":
    {"uri": "https://idp.example.com/jwks", "service_name": "idp.dns", "min_refresh": 2}}]}"#;

/// The key of RFC 7515, appendix A.3.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

#[test]
#[ignore = "takes the module in a real Envoy: run `cargo xtask test jwt-auth`"]
fn invalid_tokens_and_unknown_kids_leave_no_state_and_fetch_little() {
    let requests = flood::requests(100_000).unwrap();
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&fetches);
    let keys = move |_: &str| {
        counted.fetch_add(1, Ordering::Relaxed);
        KEYS
    };
    let service = flood::serve(keys).unwrap();
    let upstream = flood::serve(|_| "ok").unwrap();
    let wasm = Wasm::new("jwt-auth", &flood::module().unwrap()).configured(CONFIGURATION);
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
    let send = |requests, token: &(dyn Fn(usize) -> String + Sync)| {
        let request =
            |number| format!("GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", token(number));
        flood::send(process.address(), requests, 401, request).unwrap();
    };
    // The first request waits for the keys; others would receive 503 meanwhile.
    send(1, &unknown);
    // Warm up, so one-time growth is not measured.
    send(requests / 10, &malformed);
    send(requests / 10, &unknown);
    let before = process.memory().unwrap();
    send(requests, &malformed);
    send(requests, &unknown);
    std::thread::sleep(Duration::from_millis(500));
    let after = process.memory().unwrap();

    let (seconds, fetches) = (started.elapsed().as_secs_f64(), fetches.load(Ordering::Relaxed));
    println!("{requests} requests of each kind, {fetches} fetches in {seconds:.1} s");
    let allowed = 1 + started.elapsed().as_secs() as usize / MIN_REFRESH;
    assert!((1..=allowed).contains(&fetches), "{fetches} fetches, {allowed} allowed");
    flood::assert_flat(&before, &after).unwrap();
}
