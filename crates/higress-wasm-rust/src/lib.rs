//! The classic style of plug-ins, as the product documentation and Higress's Rust SDK have it.
//!
//! A plug-in implements `RootContext` and `HttpContext` of the proxy-wasm crate. This crate adds what the documentation
//! imports with `use higress_wasm_rust::*;`: [`Log`], [`RuleMatcher`], [`SharedRuleMatcher`] and [`on_configure`].
//!
//! ```toml
//! [dependencies]
//! higress-wasm-rust = { path = "../../crates/higress-wasm-rust", version = "0.1.0" }
//! proxy-wasm = "0.2"
//! serde = { version = "1.0", features = ["derive"] }
//! ```
//!
//! ```
//! use std::{cell::RefCell, rc::Rc};
//!
//! use higress_wasm_rust::*;
//! use proxy_wasm::{traits::*, types::*};
//! use serde::Deserialize;
//!
//! #[derive(Default, Deserialize)]
//! struct Config {
//!     header_name: String,
//!     header_value: String,
//! }
//!
//! struct Root {
//!     log: Log,
//!     rules: SharedRuleMatcher<Config>,
//! }
//!
//! impl Context for Root {}
//!
//! impl RootContext for Root {
//!     fn on_configure(&mut self, size: usize) -> bool {
//!         on_configure(self, size, &mut self.rules.borrow_mut(), &self.log)
//!     }
//!
//!     fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
//!         Some(Box::new(AddHeader { rules: self.rules.clone() }))
//!     }
//!
//!     fn get_type(&self) -> Option<ContextType> {
//!         Some(ContextType::HttpContext)
//!     }
//! }
//!
//! struct AddHeader {
//!     rules: SharedRuleMatcher<Config>,
//! }
//!
//! impl Context for AddHeader {}
//!
//! impl HttpContext for AddHeader {
//!     fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
//!         if let Some(config) = self.rules.borrow().get_match_config() {
//!             self.add_http_request_header(&config.header_name, &config.header_value);
//!         }
//!         Action::Continue
//!     }
//! }
//!
//! proxy_wasm::main! {{
//!     proxy_wasm::set_root_context(|_| {
//!         let log = Log::new("add-header".to_string());
//!         Box::new(Root { log, rules: Rc::new(RefCell::new(RuleMatcher::new())) })
//!     });
//! }}
//! ```
//!
//! # Limits
//!
//! - The proxy-wasm crate's dispatcher calls the plug-in. It panics on a header value that is not UTF-8 and on host
//!   calls that return an unexpected status; the gateway then answers 503 until the plug-in is configured again. Write
//!   plug-ins for untrusted traffic with the SDK's `Plugin` trait.
//! - A module exports all of proxy-wasm's callbacks, whether the plug-in implements them or not.
//! - A module has one set of callbacks: depend on this crate or on the SDK, not on both.
//! - The plug-in has no schema, because only its own code knows its fields.
//!
//! Configurations and rules follow the SDK: unknown fields are errors, and host names are compared without case, port
//! and trailing dot.
//!
//! The page `from_the_classic_style` of the SDK's guide shows how to move to the `Plugin` trait.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::RootContext;
use sdk::__private::{Loaded, Phase, configuration, refresh_log_level};
use sdk::log::{self, Level};
use serde::de::DeserializeOwned;

/// The log of a plug-in. Each line begins with the plug-in's name.
#[derive(Debug, Clone)]
pub struct Log {
    plugin: String,
}

impl Log {
    /// Creates a log for the plug-in with this name.
    pub fn new(plugin: String) -> Self {
        Log { plugin }
    }

    fn write(&self, level: Level, message: &str) {
        if log::enabled(level) {
            log::write(level, format_args!("[{}] {message}", self.plugin));
        }
    }

    /// Logs at level trace.
    pub fn trace(&self, message: &str) {
        self.write(Level::Trace, message);
    }

    /// Logs at level debug.
    pub fn debug(&self, message: &str) {
        self.write(Level::Debug, message);
    }

    /// Logs at level info.
    pub fn info(&self, message: &str) {
        self.write(Level::Info, message);
    }

    /// Logs at level warn.
    pub fn warn(&self, message: &str) {
        self.write(Level::Warn, message);
    }

    /// Logs at level error.
    pub fn error(&self, message: &str) {
        self.write(Level::Error, message);
    }

    /// Logs at level critical.
    pub fn critical(&self, message: &str) {
        self.write(Level::Critical, message);
    }
}

/// Selects the configuration of a request by `_rules_`.
pub struct RuleMatcher<C> {
    configured: Configured<C>,
}

/// What [`on_configure`] has read.
enum Configured<C> {
    Nothing,
    /// An empty document.
    Default(Rc<C>),
    Document(Loaded<C>),
}

/// A [`RuleMatcher`] that the root context shares with the contexts of requests.
pub type SharedRuleMatcher<C> = Rc<RefCell<RuleMatcher<C>>>;

impl<C> Default for RuleMatcher<C> {
    fn default() -> Self {
        RuleMatcher { configured: Configured::Nothing }
    }
}

impl<C> RuleMatcher<C> {
    /// Creates a matcher without a configuration; [`on_configure`] loads one.
    pub fn new() -> Self {
        RuleMatcher::default()
    }

    /// Returns the configuration of the current request: that of the first rule that matches, or else the global one.
    ///
    /// Returns `None` if no configuration applies or is loaded, and if a host call fails. Call it while the request
    /// headers can be read.
    pub fn get_match_config(&self) -> Option<Rc<C>> {
        match &self.configured {
            Configured::Nothing => None,
            Configured::Default(config) => Some(config.clone()),
            Configured::Document(loaded) => Some(loaded.select(Phase::Request).ok()??.config),
        }
    }
}

/// Reads the plug-in's configuration into `rule_matcher`, and returns true.
///
/// If the configuration is invalid, the error is logged, `rule_matcher` keeps the configuration that it had, and the
/// result is false. An empty document is the `Default` of `C`.
pub fn on_configure<R: RootContext, C: Default + DeserializeOwned + 'static>(
    _root: &R,
    size: usize,
    rule_matcher: &mut RuleMatcher<C>,
    log: &Log,
) -> bool {
    refresh_log_level();
    let text = match configuration(size) {
        Ok(text) => text,
        Err(status) => {
            log.error(&format!("cannot read the configuration: host status {}", status.0));
            return false;
        }
    };
    let configured = match text.trim_ascii() {
        b"" | b"{}" => Ok(Configured::Default(Rc::new(C::default()))),
        _ => Loaded::from_json(&text).map(Configured::Document),
    };
    match configured {
        Ok(configured) => {
            rule_matcher.configured = configured;
            true
        }
        Err(error) => {
            log.error(&format!("configuration refused: {error}"));
            false
        }
    }
}
