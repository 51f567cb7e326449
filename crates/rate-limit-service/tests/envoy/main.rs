//! Limits over replicas: two Envoys with two workers each, and one rate limit service.
//!
//! `cargo xtask test` runs each measurement a few times. More runs, with their figures:
//!
//! ```console
//! $ RUNS=40 cargo test -p portcullis-rate-limit-service --test envoy -- --ignored --nocapture
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may stop"
)]

mod gateways;
mod tokens;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{env, thread};

use gateways::{Gateways, Outcome, Times};
use rate_limit_service::{Counts, Kind, Redis, Rule, Server};
use testkit::redis_server::RedisServer;

const LIMIT: u64 = 1_000;
const REQUESTS: u64 = 2_000;
/// The requests that can be between a gateway and the service.
const CONNECTIONS: u64 = 16;

/// One test at a time: they measure.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runs() -> u32 {
    env::var("RUNS").map_or(2, |runs| runs.parse().unwrap())
}

fn rules() -> Vec<Rule> {
    vec![Rule {
        namespace: "edge".into(),
        max_value: LIMIT,
        seconds: 60,
        conditions: vec!["descriptors[0].limit == 'replicas:limit_by_per_header:x-key:*:1000/minute'".into()],
        variables: vec!["descriptors[0].window".into(), "descriptors[0].key".into()],
    }]
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn counts(kind: Kind) -> Counts {
    Counts::new(kind, &rules()).unwrap()
}

fn counts_in(redis: &RedisServer) -> Counts {
    counts(Kind::Limitador).in_redis(Redis::new(&redis.url()).unwrap())
}

/// Waits until the current minute has enough time left for a run.
fn wait_for_window() {
    let second = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % 60;
    if second > 45 {
        thread::sleep(Duration::from_secs(61 - second));
    }
}

/// Returns the outcome and the number of calls of each run, each with a new key.
fn measure(mode: &str, name: &str, service: &Server) -> Vec<(Outcome, u64)> {
    let gateways = Gateways::start(Some((mode, service.address())));
    (0..runs())
        .map(|run| {
            wait_for_window();
            let before = service.calls();
            let outcome = gateways.flood(&format!("{mode}-{run}"), REQUESTS, || {});
            // A fetch in the background may still be open.
            thread::sleep(Duration::from_millis(50));
            let calls = service.calls() - before;
            println!("{mode}, {name}, run {run}: {outcome:?}, {calls} calls");
            assert_eq!((outcome.total(), outcome.unavailable), (REQUESTS, 0));
            (outcome, calls)
        })
        .collect()
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn exact_passes_exactly_the_limit() {
    let _alone = alone();
    for kind in [Kind::Limitador, Kind::Envoy] {
        let service = Server::start(any_port(), counts(kind)).unwrap();
        for (outcome, calls) in measure("exact", &format!("{kind:?}"), &service) {
            assert_eq!((outcome.passed, calls), (LIMIT, REQUESTS));
        }
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn lease_passes_nearly_the_limit_with_few_calls() {
    let _alone = alone();
    for kind in [Kind::Limitador, Kind::Envoy] {
        let service = Server::start(any_port(), counts(kind)).unwrap();
        for (outcome, calls) in measure("lease", &format!("{kind:?}"), &service) {
            assert!((980..=LIMIT).contains(&outcome.passed), "{outcome:?}");
            assert!(calls <= 32, "{calls} calls");
        }
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn counters_in_redis_are_as_exact() {
    let _alone = alone();
    let redis = RedisServer::start(false).unwrap();
    let service = Server::start(any_port(), counts_in(&redis)).unwrap();
    for (outcome, calls) in measure("exact", "Redis", &service) {
        assert_eq!((outcome.passed, calls), (LIMIT, REQUESTS));
    }
    let service = Server::start(any_port(), counts_in(&redis)).unwrap();
    for (outcome, calls) in measure("lease", "Redis", &service) {
        assert!((980..=LIMIT).contains(&outcome.passed), "{outcome:?}");
        assert!(calls <= 32, "{calls} calls");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_service_in_memory_that_is_restarted_passes_the_limit_once_more_at_most() {
    let _alone = alone();
    for mode in ["exact", "lease"] {
        let first = Server::start(any_port(), counts(Kind::Limitador)).unwrap();
        let address = first.address();
        let gateways = Gateways::start(Some((mode, address)));
        wait_for_window();
        let mut second = None;
        let outcome = gateways.flood("restarted", 2 * REQUESTS, || {
            drop(first);
            thread::sleep(Duration::from_millis(50));
            second = Some(Server::start(address, counts(Kind::Limitador)).unwrap());
        });
        println!("{mode}, restarted in memory: {outcome:?}");
        assert_eq!(outcome.total(), 2 * REQUESTS, "every request gets a response");
        assert!((LIMIT - CONNECTIONS..=2 * LIMIT).contains(&outcome.passed), "{outcome:?}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_service_in_redis_that_is_restarted_with_it_passes_the_limit_once() {
    let _alone = alone();
    for mode in ["exact", "lease"] {
        let mut redis = RedisServer::start(true).unwrap();
        let first = Server::start(any_port(), counts_in(&redis)).unwrap();
        let address = first.address();
        let gateways = Gateways::start(Some((mode, address)));
        wait_for_window();
        let mut second = None;
        let outcome = gateways.flood("restarted", 2 * REQUESTS, || {
            redis.kill().unwrap();
            drop(first);
            redis.restart().unwrap();
            second = Some(Server::start(address, counts_in(&redis)).unwrap());
        });
        println!("{mode}, restarted with Redis: {outcome:?}");
        assert_eq!(outcome.total(), 2 * REQUESTS, "every request gets a response");
        // What was counted for requests and shares whose response was lost is missing.
        let lost = if mode == "exact" { CONNECTIONS } else { 2 * LIMIT / 16 };
        assert!((LIMIT - lost - 20..=LIMIT).contains(&outcome.passed), "{outcome:?}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn limitador_alone_is_measured() {
    let _alone = alone();
    let service = Server::start(any_port(), counts(Kind::Limitador).without_serialisation()).unwrap();
    for (outcome, _) in measure("exact", "limitador alone", &service) {
        assert!(outcome.passed >= LIMIT, "{outcome:?}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn the_cost_of_leases_is_measured() {
    let _alone = alone();
    let service = Server::start(any_port(), counts(Kind::Limitador)).unwrap();
    let local = Gateways::start(None);
    let lease = Gateways::start(Some(("lease", service.address())));
    let mut cost = [Duration::ZERO; 2];
    let mut times = [Times::default(), Times::default()];
    for run in 0..runs() {
        // In turns, so that other load on the machine affects both.
        for ((cost, times), gateways) in cost.iter_mut().zip(&mut times).zip([&local, &lease]) {
            wait_for_window();
            let before = gateways.cpu_time();
            let outcome = gateways.flood(&format!("cost-{run}"), REQUESTS, || {});
            assert_eq!((outcome.total(), outcome.unavailable), (REQUESTS, 0));
            *cost += gateways.cpu_time() - before;
            times.0.extend(outcome.times.0);
        }
    }
    let [local, lease] = cost.map(|cost| cost / runs() / u32::try_from(REQUESTS).unwrap());
    println!("CPU per request: {local:?} in the process, {lease:?} with leases");
    let [local, lease] = times;
    println!("each request: {local:?} in the process, {lease:?} with leases");
}
