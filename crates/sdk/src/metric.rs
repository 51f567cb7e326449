//! Metrics that the gateway collects over all its workers: [counters](Counter), [gauges](Gauge) and
//! [histograms](Histogram).
//!
//! A metric is named `<plug-in>.<metric>`, in lower case with underscores: `request-block.url_blocked`. Counters are
//! named for an event (`…_blocked`), gauges for a state (`…_open`), and histograms end in their unit (`…_ms`, `…_bytes`).
//! The [details](crate::Reply::details) of a reply are counted automatically. Envoy exports `wasmcustom.<name>`.
//!
//! Names must be constants: names from requests would let clients fill the gateway's memory. A metric is defined when it
//! is first used. If the host fails, the value is lost, but the request continues.

use std::cell::RefCell;

use crate::host::{self, MetricType};

thread_local! {
    /// The metrics that this VM has defined. A linear search is enough for the few of them.
    static DEFINED: RefCell<Vec<(MetricType, String, u32)>> = const { RefCell::new(Vec::new()) };
}

/// A number that only increases.
///
/// ```
/// use sdk::Counter;
///
/// static SEEN: Counter = Counter::new("my-plugin.seen");
/// SEEN.add(1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Counter(&'static str);

impl Counter {
    /// Creates a counter named `<plug-in>.<metric>`.
    pub const fn new(name: &'static str) -> Self {
        Counter(name)
    }

    /// Adds to the counter.
    pub fn add(&self, amount: u32) {
        add(self.0, amount);
    }

    /// Returns the value over all workers, or `None` if the host does not report it.
    pub fn value(&self) -> Option<u64> {
        value(MetricType::Counter, self.0)
    }
}

/// A number that goes up and down.
///
/// ```
/// use sdk::Gauge;
///
/// static OPEN: Gauge = Gauge::new("my-plugin.streams_open");
/// OPEN.add(1);
/// OPEN.add(-1);
/// ```
///
/// All workers share it: [`add`](Gauge::add) is applied for each of them, and the last [`set`](Gauge::set) wins.
#[derive(Debug, Clone, Copy)]
pub struct Gauge(&'static str);

impl Gauge {
    /// Creates a gauge named `<plug-in>.<metric>`.
    pub const fn new(name: &'static str) -> Self {
        Gauge(name)
    }

    /// Sets the value.
    pub fn set(&self, value: u64) {
        if let Some(id) = id(MetricType::Gauge, self.0) {
            let _ = host::record_metric(id, value);
        }
    }

    /// Adds to the value, or subtracts from it. It does not go below 0.
    pub fn add(&self, amount: i32) {
        if let Some(id) = id(MetricType::Gauge, self.0) {
            let _ = host::increment_metric(id, i64::from(amount));
        }
    }

    /// Returns the value, or `None` if the host does not report it.
    pub fn value(&self) -> Option<u64> {
        value(MetricType::Gauge, self.0)
    }
}

/// A distribution of values, such as times or sizes.
///
/// ```
/// use sdk::Histogram;
///
/// static SIZE: Histogram = Histogram::new("my-plugin.response_bytes");
/// SIZE.record(512);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Histogram(&'static str);

impl Histogram {
    /// Creates a histogram named `<plug-in>.<metric>_<unit>`.
    pub const fn new(name: &'static str) -> Self {
        Histogram(name)
    }

    /// Records a value.
    pub fn record(&self, value: u64) {
        if let Some(id) = id(MetricType::Histogram, self.0) {
            let _ = host::record_metric(id, value);
        }
    }
}

/// Adds to the counter with this name.
pub(crate) fn add(name: &str, amount: u32) {
    if let Some(id) = id(MetricType::Counter, name) {
        let _ = host::increment_metric(id, i64::from(amount));
    }
}

fn value(kind: MetricType, name: &str) -> Option<u64> {
    host::metric(id(kind, name)?).ok()
}

/// Returns the host's number for a metric, which is defined at its first use.
fn id(kind: MetricType, name: &str) -> Option<u32> {
    // When a thread ends, as in tests, this list may be dropped before values that count in their `Drop`.
    let known = DEFINED.try_with(|defined| {
        let defined = defined.borrow();
        defined.iter().find(|(of, other, _)| *of == kind && other == name).map(|(_, _, id)| *id)
    });
    if let Some(id) = known.ok()? {
        return Some(id);
    }
    let id = host::define_metric(kind, name).ok()?;
    DEFINED.with_borrow_mut(|defined| defined.push((kind, name.to_string(), id)));
    Some(id)
}
