//! The cost of a stream, event by event, and the memory after many streams. The interpreter counts the same instructions in
//! every run.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::LazyLock;

use testkit::{Engine, Value, linear};

/// The module, which takes longer to build and compile than the measurements.
static ENGINE: LazyLock<Box<dyn Engine>> =
    LazyLock::new(|| Box::new(testkit::interpreter(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"))));

/// The instructions for an event of 150 bytes.
const MAX_PER_EVENT: u64 = 12_000;

fn config() -> Value {
    serde_json::from_str("{}").unwrap()
}

#[test]
fn each_event_costs_the_same() {
    linear::check_events(&**ENGINE, &config(), MAX_PER_EVENT).unwrap();
}

/// `STREAMS=100000 cargo test -p ai-statistics --test linear memory` takes minutes.
#[test]
fn memory_is_flat_over_many_streams() {
    linear::check_memory(&**ENGINE, &config(), 2_000).unwrap();
}
