//! Metrics that the gateway collects over all its workers: [counters](Counter), [gauges](Gauge) and
//! [histograms](Histogram).
//!
//! A metric is named `<plug-in>.<what>`, lower-case, with underscores inside: `request-block.url_blocked`.
//! Counters say what has happened (`…_blocked`), gauges what is there (`…_open`), histograms end in their
//! unit (`…_ms`, `…_bytes`). What an answer's [details](crate::Reply::details) name is counted by itself. Envoy
//! shows `wasmcustom.<name>`.
//!
//! Names are fixed in the code: one that came from a request would let clients fill the gateway's memory.
//! The gateway learns of a metric when it is first used. A host that refuses loses the number, never the
//! request.

use std::cell::RefCell;

use crate::host::{self, MetricType};

thread_local! {
    /// What this VM has defined, by name. There are few, so a list is searched.
    static DEFINED: RefCell<Vec<(MetricType, String, u32)>> = const { RefCell::new(Vec::new()) };
}

/// A number that only grows.
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
    /// A counter named `<plug-in>.<what>`.
    pub const fn new(name: &'static str) -> Self {
        Counter(name)
    }

    /// Adds to it.
    pub fn add(&self, amount: u32) {
        add(self.0, amount);
    }

    /// Its value over all workers; nothing when the host does not tell.
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
/// Workers share it: [`add`](Gauge::add) counts what all of them do, and of several [`set`](Gauge::set)s the
/// last stands.
#[derive(Debug, Clone, Copy)]
pub struct Gauge(&'static str);

impl Gauge {
    /// A gauge named `<plug-in>.<what>`.
    pub const fn new(name: &'static str) -> Self {
        Gauge(name)
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        if let Some(id) = id(MetricType::Gauge, self.0) {
            let _ = host::record_metric(id, value);
        }
    }

    /// Adds to it, or takes away. It never goes below 0.
    pub fn add(&self, amount: i32) {
        if let Some(id) = id(MetricType::Gauge, self.0) {
            let _ = host::increment_metric(id, i64::from(amount));
        }
    }

    /// Its value; nothing when the host does not tell.
    pub fn value(&self) -> Option<u64> {
        value(MetricType::Gauge, self.0)
    }
}

/// How values are spread: times, sizes.
///
/// ```
/// use sdk::Histogram;
///
/// static SIZE: Histogram = Histogram::new("my-plugin.answer_bytes");
/// SIZE.record(512);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Histogram(&'static str);

impl Histogram {
    /// A histogram named `<plug-in>.<what>_<unit>`.
    pub const fn new(name: &'static str) -> Self {
        Histogram(name)
    }

    /// Adds a value to it.
    pub fn record(&self, value: u64) {
        if let Some(id) = id(MetricType::Histogram, self.0) {
            let _ = host::record_metric(id, value);
        }
    }
}

/// Adds to the counter of that name.
pub(crate) fn add(name: &str, amount: u32) {
    if let Some(id) = id(MetricType::Counter, name) {
        let _ = host::increment_metric(id, i64::from(amount));
    }
}

fn value(kind: MetricType, name: &str) -> Option<u64> {
    host::metric(id(kind, name)?).ok()
}

/// The host's number of a metric, which it is asked for once.
fn id(kind: MetricType, name: &str) -> Option<u32> {
    // A thread that ends, as those of tests do, may drop this list before what counts in its `Drop`.
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
