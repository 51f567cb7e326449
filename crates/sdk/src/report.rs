//! What a plug-in tells of a request to somebody who traces it: the rule that matched, and what was decided.
//!
//! It is record in the property [`PROPERTY`], which every later filter of the request and the access log can read
//! (`%FILTER_STATE(wasm.portcullis.trace:PLAIN)%` in Envoy). Each plug-in of this SDK writes over the one before, when it
//! has chosen a configuration and again when it answers a request itself. The value has three lines:
//!
//! ```text
//! request-block                                    the plug-in, as the gateway calls it
//! _rules_[1]                                       or `global`, or `none`: no rule matches, and there is no global one
//! answers 403 (request-block.url_blocked) by …     what it decided; empty until it answers
//! ```
//!
//! Nothing is record, and nothing asked, unless the gateway logs plug-ins at level trace while the configuration is loaded:
//! a request of a gateway in production does not pay for it. `cargo xtask request --trace` starts an Envoy so.

use std::fmt;

use crate::{host, log, property};

/// The property that says what became of a request.
pub const PROPERTY: &str = "portcullis.trace";

/// Whether somebody traces, as far as the log level that was last read says.
pub(crate) fn wanted() -> bool {
    log::enabled(log::Level::Trace)
}

/// Tells which configuration was chosen: that of a rule, the global one, or none.
#[cold]
#[inline(never)]
pub(crate) fn record_rule(rule: Option<usize>, any: bool) {
    record(rule, any, format_args!(""));
}

/// Tells of an answer that the plug-in gives, if somebody traces.
#[cold]
#[inline(never)]
pub(crate) fn record_decision(rule: Option<usize>, decision: fmt::Arguments<'_>) {
    if wanted() {
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
    // A gateway that has no properties has nobody who reads them.
    let _ = host::set_property(PROPERTY.as_bytes(), record.as_bytes());
}
