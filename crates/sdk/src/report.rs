//! Tracing: each plug-in records the rule that matched a request, and its decision.
//!
//! The record is in the property [`PROPERTY`], which later filters of the request and the access log can read
//! (`%FILTER_STATE(wasm.portcullis.trace:PLAIN)%` in Envoy). Each plug-in of this SDK overwrites it when it has selected a
//! configuration, and again when it replies to a request itself. The value has three lines:
//!
//! ```text
//! request-block                                    the plug-in's name in the gateway
//! _rules_[1]                                       or `global`, or `none` if no configuration applies
//! answers 403 (request-block.url_blocked) by …     the decision; empty until it replies
//! ```
//!
//! Nothing is recorded unless the gateway logs plug-ins at level trace when the configuration is loaded, so requests in
//! production do not pay for it. `cargo xtask request --trace` starts an Envoy with that level.

use std::fmt;

use crate::{host, log, property};

/// The property with the record.
pub const PROPERTY: &str = "portcullis.trace";

/// Returns true if requests are traced, according to the log level that was last read.
pub(crate) fn enabled() -> bool {
    log::enabled(log::Level::Trace)
}

/// Records the selected configuration: that of a rule, the global one, or none.
#[cold]
#[inline(never)]
pub(crate) fn record_rule(rule: Option<usize>, any: bool) {
    record(rule, any, format_args!(""));
}

/// Records a reply of the plug-in, if requests are traced.
#[cold]
#[inline(never)]
pub(crate) fn record_decision(rule: Option<usize>, decision: fmt::Arguments<'_>) {
    if enabled() {
        record(rule, true, decision);
    }
}

fn record(rule: Option<usize>, any: bool, decision: fmt::Arguments<'_>) {
    let name = host::property(property::PLUGIN_NAME.as_bytes()).ok().flatten().unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    let record = match rule {
        Some(rule) => format!("{name}\n_rules_[{rule}]\n{decision}"),
        None => format!("{name}\n{}\n{decision}", if any { "global" } else { "none" }),
    };
    // A gateway without properties has no reader for this one.
    let _ = host::set_property(PROPERTY.as_bytes(), record.as_bytes());
}
