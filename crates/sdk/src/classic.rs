//! The classic style: plug-ins written for the product documentation and for Higress's Rust SDK.
//!
//! With
//!
//! ```toml
//! [dependencies]
//! higress-wasm-rust = { package = "portcullis-sdk", version = "…", features = ["classic"] }
//! proxy-wasm = "0.2"
//! ```
//!
//! code that says `use higress_wasm_rust::*;` finds [`Log`], [`RuleMatcher`], [`SharedRuleMatcher`] and
//! [`on_configure`] here, and `RootContext`, `HttpContext` and `proxy_wasm::main!` in the proxy-wasm crate,
//! whose dispatcher runs the plug-in. Rules and configurations follow this SDK: unknown fields are refused,
//! hosts match without case, port or trailing dot.
//!
//! The proxy-wasm crate stops the VM on some inputs (a header value that is not UTF-8, for one); a plug-in
//! for untrusted traffic is written with [`Plugin`](crate::Plugin).

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::RootContext;
use serde::de::DeserializeOwned;

use crate::host;
use crate::log as log_level;
use crate::log::Level;
use crate::rules::{Loaded, Phase};

/// A plug-in's log: each line begins with its name.
#[derive(Debug, Clone)]
pub struct Log {
    plugin: String,
}

impl Log {
    /// A log for the plug-in of that name.
    pub fn new(plugin: String) -> Self {
        Log { plugin }
    }

    fn write(&self, level: Level, message: &str) {
        if log_level::enabled(level) {
            log_level::write(level, format_args!("[{}] {message}", self.plugin));
        }
    }

    /// Logs every step.
    pub fn trace(&self, message: &str) {
        self.write(Level::Trace, message);
    }

    /// Logs a decision.
    pub fn debug(&self, message: &str) {
        self.write(Level::Debug, message);
    }

    /// Logs what an operator wants to know in passing.
    pub fn info(&self, message: &str) {
        self.write(Level::Info, message);
    }

    /// Logs something odd.
    pub fn warn(&self, message: &str) {
        self.write(Level::Warn, message);
    }

    /// Logs something that does not work.
    pub fn error(&self, message: &str) {
        self.write(Level::Error, message);
    }

    /// Logs that nothing works.
    pub fn critical(&self, message: &str) {
        self.write(Level::Critical, message);
    }
}

/// Chooses the configuration of a request by `_rules_`.
pub struct RuleMatcher<C> {
    loaded: Option<Loaded<C>>,
}

/// A [`RuleMatcher`] that the root context shares with the contexts of requests.
pub type SharedRuleMatcher<C> = Rc<RefCell<RuleMatcher<C>>>;

impl<C> Default for RuleMatcher<C> {
    fn default() -> Self {
        RuleMatcher { loaded: None }
    }
}

impl<C> RuleMatcher<C> {
    /// A matcher without a configuration; [`on_configure`] fills it.
    pub fn new() -> Self {
        RuleMatcher::default()
    }

    /// The configuration of the current request: that of the first rule that matches, else the global one.
    /// Nothing before a configuration is there, and when the host does not answer.
    ///
    /// To be called while the head of the request can be read.
    pub fn get_match_config(&self) -> Option<Rc<C>> {
        let choice = self.loaded.as_ref()?.choose(Phase::Request).ok()??;
        Some(choice.config)
    }
}

/// Reads the plug-in's configuration into `rule_matcher`: all of it, or none, and then `false`.
/// Without any field the configuration is its `Default`.
pub fn on_configure<R: RootContext, C: Default + DeserializeOwned + 'static>(
    _root: &R,
    size: usize,
    rule_matcher: &mut RuleMatcher<C>,
    log: &Log,
) -> bool {
    log_level::refresh();
    let text = match host::configuration(size) {
        Ok(text) => text,
        Err(status) => {
            log.error(&format!("cannot read the configuration: host status {}", status.0));
            return false;
        }
    };
    let loaded = match text.trim_ascii() {
        b"" | b"{}" => Ok(Loaded::global(C::default())),
        _ => Loaded::from_json(&text),
    };
    match loaded {
        Ok(loaded) => {
            rule_matcher.loaded = Some(loaded);
            true
        }
        Err(error) => {
            log.error(&format!("configuration refused: {error}"));
            false
        }
    }
}
