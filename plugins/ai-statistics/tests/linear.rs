//! The cost of a stream, event by event, and the memory after many streams. The interpreter counts the same instructions in
//! every run.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::LazyLock;

use testkit::{Engine, Value, linear};

/// The module, which takes longer to build and compile than the measurements.
static ENGINE: LazyLock<Box<dyn Engine>> =
    LazyLock::new(|| Box::new(testkit::interpreter(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"))));

/// The instructions for an event of 150 bytes.
const MAX_PER_EVENT: u64 = 25_000;

fn config() -> Value {
    serde_json::from_str("{}").unwrap()
}

#[test]
fn each_event_costs_the_same() {
    let cost = linear::per_event(&**ENGINE, &config()).unwrap();
    println!("{cost} instructions for each event");
    assert!(cost <= MAX_PER_EVENT, "{cost} instructions for each event, of at most {MAX_PER_EVENT}");
    linear::check("events", 200, |events| {
        let (request, upstream) = linear::events(events);
        linear::instructions(&**ENGINE, &config(), &request, &upstream)
    })
    .unwrap();
}

/// `STREAMS=100000 cargo test -p ai-statistics --test linear memory` takes minutes.
#[test]
fn memory_is_flat_over_many_streams() {
    let streams = std::env::var("STREAMS").map_or(2_000, |streams| streams.parse().unwrap());
    let (early, late) = linear::memory(&**ENGINE, &config(), &linear::events(10), streams).unwrap();
    println!("{late} pages after {streams} streams");
    assert_eq!(early, late, "pages of memory after a tenth of {streams} streams, and after all");
}
