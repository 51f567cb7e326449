//! Metrics that the gateway collects over all its workers: [counters](Counter), [gauges](Gauge) and
//! [histograms](Histogram).
//!
//! A metric is named `<plug-in>.<metric>`, in lower case with underscores: `request-block.url_blocked`. Counters are
//! named for an event (`…_blocked`), gauges for a state (`…_open`), and histograms end in their unit (`…_ms`, `…_bytes`).
//! The [details](crate::Reply::details) of a reply are counted automatically. Envoy exports `wasmcustom.<name>`.
//!
//! Names must be constants: names from requests would let clients fill the gateway's memory. What a metric is about, such
//! as a route or a model, is a [label](Label) with a bounded number of values, and metrics with the same labels are a
//! [`Series`]. A metric is defined when it is first used. If the host fails, the value is lost, but the request continues.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

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

/// A label of metrics, whose values come from requests or responses and are therefore bounded.
///
/// A value has at most [128](Label::MAX_LENGTH) characters. Characters other than letters, digits and `-_.:|/@` are
/// replaced by `_`, and a VM knows only the first values of each label, as many as the label allows: all others are
/// [`other`](Label::OTHER). An empty value is [`none`](Label::NONE).
#[derive(Debug, Clone, Copy)]
pub struct Label {
    name: &'static str,
    values: u16,
}

thread_local! {
    /// The values of labels that this VM knows.
    static VALUES: RefCell<BTreeMap<&'static str, BTreeSet<String>>> = const { RefCell::new(BTreeMap::new()) };
    /// The labels of the series that this VM has.
    static SERIES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    /// The host's numbers of the metrics of series.
    static OF_SERIES: RefCell<BTreeMap<String, u32>> = const { RefCell::new(BTreeMap::new()) };
}

impl Label {
    /// The maximum length of a value.
    pub const MAX_LENGTH: usize = 128;
    /// The value of those that exceed the number of values.
    pub const OTHER: &'static str = "other";
    /// The value of an empty one.
    pub const NONE: &'static str = "none";

    /// Creates a label with at most this many values in a VM.
    pub const fn new(name: &'static str, values: u16) -> Self {
        Label { name, values }
    }

    /// Returns the value as it appears in the names of metrics.
    pub fn value(&self, value: &[u8]) -> String {
        let value = plain(value);
        if value.is_empty() {
            return Label::NONE.into();
        }
        VALUES.with_borrow_mut(|labels| {
            let known = labels.entry(self.name).or_default();
            if !known.contains(&value) {
                if known.len() >= usize::from(self.values) {
                    return Label::OTHER.into();
                }
                known.insert(value.clone());
            }
            value
        })
    }
}

/// Returns a value in the characters of labels.
fn plain(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let allowed = |character: char| match character {
        char::REPLACEMENT_CHARACTER => '_',
        _ if character.is_ascii_alphanumeric() || character >= '\u{a0}' => character,
        '-' | '_' | '.' | ':' | '|' | '/' | '@' => character,
        _ => '_',
    };
    text.chars().take(Label::MAX_LENGTH).map(allowed).collect()
}

/// Metrics with the same labels, which are segments of their names:
/// `route.chat.model.gpt-4o.metric.input_token`.
///
/// ```
/// use sdk::{Label, Series};
///
/// static ROUTE: Label = Label::new("route", 100);
/// static MODEL: Label = Label::new("model", 100);
///
/// let series = Series::new(&[(&ROUTE, b"chat"), (&MODEL, b"gpt-4o")]);
/// series.add("input_token", 17);
/// series.record("first_token_ms", 230);
/// ```
///
/// The segments are those of Higress, whose gateways turn them into tags. Stock Envoy needs `stats_tags` for this, with
/// expressions such as `\.model\.((.*?)\.)metric\.`. A value that contains the name of a label after a dot has its dots
/// replaced by `_`, so a client cannot write other labels into its model. A VM has at most [1,000](Series::MAX) series;
/// all labels of further ones are [`other`](Label::OTHER).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The labels, with `metric.` at the end.
    prefix: String,
}

impl Series {
    /// The maximum number of series in a VM.
    pub const MAX: usize = 1_000;

    /// Returns the series of these values.
    pub fn new(labels: &[(&Label, &[u8])]) -> Self {
        let ambiguous = |value: &str| {
            let begins = |segment: &str| {
                segment.starts_with("metric")
                    || labels.iter().any(|(label, _)| segment.starts_with(label.name))
            };
            value.starts_with('.') || value.ends_with('.') || value.split('.').skip(1).any(begins)
        };
        let mut prefix = String::new();
        for (label, value) in labels {
            let value = label.value(value);
            let value = if ambiguous(&value) { value.replace('.', "_") } else { value };
            prefix.extend([label.name, ".", &value, "."]);
        }
        let is_known = SERIES.with_borrow_mut(|series| {
            series.contains(&prefix) || (series.len() < Series::MAX && series.insert(prefix.clone()))
        });
        if !is_known {
            prefix = labels.iter().flat_map(|(label, _)| [label.name, ".", Label::OTHER, "."]).collect();
        }
        prefix.push_str("metric.");
        Series { prefix }
    }

    /// Adds to a counter.
    pub fn add(&self, metric: &'static str, amount: u32) {
        if let Some(id) = self.id(MetricType::Counter, metric) {
            let _ = host::increment_metric(id, i64::from(amount));
        }
    }

    /// Records a value of a histogram. Its name ends in the unit: `first_token_ms`.
    pub fn record(&self, metric: &'static str, value: u64) {
        if let Some(id) = self.id(MetricType::Histogram, metric) {
            let _ = host::record_metric(id, value);
        }
    }

    fn id(&self, kind: MetricType, metric: &'static str) -> Option<u32> {
        let name = [&self.prefix, metric].concat();
        if let Some(id) = OF_SERIES.with_borrow(|known| known.get(&name).copied()) {
            return Some(id);
        }
        let id = host::define_metric(kind, &name).ok()?;
        OF_SERIES.with_borrow_mut(|known| known.insert(name, id));
        Some(id)
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Label = Label::new("route", 2_000);

    fn name(labels: &[(&Label, &[u8])]) -> String {
        Series::new(labels).prefix
    }

    #[test]
    fn values_have_few_characters_and_a_maximum_length() {
        for (value, plain) in [
            ("gpt-4o:mini@1/x", "gpt-4o:mini@1/x"),
            ("outbound|443||llm.internal.dns", "outbound|443||llm.internal.dns"),
            ("a b\n{c}=\"d\"", "a_b__c___d_"),
            ("\u{9f}通义\u{fffd}", "_通义_"),
            ("", "none"),
        ] {
            assert_eq!(ROUTE.value(value.as_bytes()), plain);
        }
        assert_eq!(ROUTE.value(b"a\xffb"), "a_b");
        assert_eq!(ROUTE.value(&[b'x'; 200]).len(), Label::MAX_LENGTH);
    }

    #[test]
    fn further_values_are_other() {
        let label = Label::new("few", 2);
        let values = ["a", "b", "c", "a", "b", "d"].map(|value| label.value(value.as_bytes()));
        assert_eq!(values, ["a", "b", "other", "a", "b", "other"]);
    }

    #[test]
    fn a_value_cannot_write_other_labels() {
        let model = Label::new("model", 10);
        let of = |value: &str| name(&[(&ROUTE, b"r"), (&model, value.as_bytes())]);
        assert_eq!(of("gpt-3.5"), "route.r.model.gpt-3.5.metric.");
        assert_eq!(of("a.metric.b"), "route.r.model.a_metric_b.metric.");
        assert_eq!(of("a.routes"), "route.r.model.a_routes.metric.");
        assert_eq!(of("metric.a"), "route.r.model.metric.a.metric.");
        assert_eq!(of(".a"), "route.r.model._a.metric.");
        assert_eq!(of("a."), "route.r.model.a_.metric.");
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        for number in 0..Series::MAX {
            let value = number.to_string();
            assert_eq!(name(&[(&ROUTE, value.as_bytes())]), format!("route.{value}.metric."));
        }
        assert_eq!(name(&[(&ROUTE, b"more")]), "route.other.metric.");
        assert_eq!(name(&[(&ROUTE, b"7")]), "route.7.metric.");
    }
}
