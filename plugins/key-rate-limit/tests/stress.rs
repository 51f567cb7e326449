//! A flood of random keys in a real Envoy: memory stays flat, and the count of a key under another limit is kept.
//!
//! Part of `cargo xtask test key-rate-limit`, which builds the module and sets `PORTCULLIS_WASM` to its path.
//! `PORTCULLIS_REQUESTS` is the number of keys, 30,000 by default.

#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

use gateway::{Bootstrap, Envoy, LogLevel, Process, Wasm};
use testkit::flood;

/// All keys of `x-key` that share a count of a full row may send so many requests.
const CONFIGURATION: &str = r#"{"rule_items": [
    {"limit_by_header": "x-user", "limit_keys": [{"key": "alice", "query_per_day": 3}]},
    {"limit_by_per_header": "x-team", "limit_keys": [{"key": "*", "query_per_day": 3}]},
    {"limit_by_per_header": "x-key", "limit_keys": [{"key": "*", "query_per_day": 1000000}]}]}"#;

#[test]
#[ignore = "takes the module in a real Envoy: run `cargo xtask test key-rate-limit`"]
fn invented_keys_take_no_memory_and_no_count_of_another_limit() {
    let keys = flood::requests(30_000).unwrap();
    let upstream = flood::serve(|_| "ok").unwrap();
    let wasm = Wasm::new("key-rate-limit", &flood::module().unwrap()).configured(CONFIGURATION);
    let envoy = Envoy::find(&gateway::target_dir().unwrap()).unwrap();
    let process = Process::start(&envoy, &Bootstrap::single(wasm, upstream), LogLevel::Error).unwrap();
    let send = |requests, status, header: &str, key: &(dyn Fn(usize) -> String + Sync)| {
        let request = |number| format!("GET / HTTP/1.1\r\nhost: a\r\n{header}: {}\r\n\r\n", key(number));
        flood::send(process.address(), requests, status, request).unwrap();
    };
    for (header, key) in [("x-user", "alice"), ("x-team", "red")] {
        send(3, 200, header, &|_| key.to_owned());
        send(1, 429, header, &|_| key.to_owned());
    }
    // The table is filled first.
    send(2 * keys, 200, "x-key", &|number| format!("first-{number}"));
    let before = process.memory().unwrap();
    send(keys, 200, "x-key", &|number| format!("then-{number}"));
    let after = process.memory().unwrap();
    for (header, key) in [("x-user", "alice"), ("x-team", "red")] {
        send(1, 429, header, &|_| key.to_owned());
    }
    send(3, 200, "x-team", &|_| "blue".to_owned());
    flood::assert_flat(&before, &after).unwrap();
}
