//! The interface of engines, which load a plug-in with a configuration and pass requests through it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::exchange::{Order, Request, Setup, Upstream};
use crate::host;
use crate::outcome::{LogLine, Outcome};

/// The engines by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// The plug-in's Rust code against a mock host, in this process.
    Native,
    /// The plug-in's `.wasm` in an interpreter, against the same mock host.
    Wasm,
    /// The plug-in's `.wasm` in a real Envoy.
    Envoy,
}

impl EngineName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Native, Self::Wasm, Self::Envoy];
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Envoy => "envoy",
        })
    }
}

/// Runs a plug-in. Called from several threads concurrently.
pub trait Engine: Send + Sync {
    /// Which engine this is.
    fn name(&self) -> EngineName;

    /// Loads the plug-in for one case.
    ///
    /// # Errors
    ///
    /// The engine itself failed, not the plug-in.
    fn load(&self, setup: &Setup) -> anyhow::Result<Load>;

    /// Loads the same gateway without a plug-in, to determine the changes that the gateway makes itself.
    ///
    /// # Errors
    ///
    /// The engine itself failed.
    fn without_plugin(&self, setup: &Setup) -> anyhow::Result<Box<dyn Loaded>> {
        host::without_plugin(setup)
    }
}

impl<E: Engine> Engine for std::sync::Arc<E> {
    fn name(&self) -> EngineName {
        (**self).name()
    }

    fn load(&self, setup: &Setup) -> anyhow::Result<Load> {
        (**self).load(setup)
    }

    fn without_plugin(&self, setup: &Setup) -> anyhow::Result<Box<dyn Loaded>> {
        (**self).without_plugin(setup)
    }
}

/// The result of loading a configuration.
pub enum Load {
    /// It is active.
    Loaded(Box<dyn Loaded>),
    /// The plug-in rejected it.
    Refused {
        /// The log.
        log: Vec<LogLine>,
    },
}

/// A plug-in with an active configuration, for the duration of one case.
pub trait Loaded {
    /// Sends a request, and waits until it and its effects have ended. The upstream responds with `upstream`.
    ///
    /// # Errors
    ///
    /// The engine itself failed. A request without a response is an [`Outcome`], not an error.
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome>;

    /// Sends requests, each with the upstream's response to it, concurrently in one VM, and returns their outcomes in the
    /// same order. Log, counters and remaining contexts are those of all requests.
    ///
    /// # Errors
    ///
    /// The engine itself failed, an event is impossible, or a configuration has another result than its event expects.
    fn interleave(&mut self, requests: &[(Request, Upstream)], order: &Order)
    -> anyhow::Result<Vec<Outcome>>;

    /// Sends a request repeatedly over concurrent connections, and counts the responses by status; 0 means no response.
    ///
    /// # Errors
    ///
    /// The engine itself failed.
    fn exchange_at_once(
        &mut self,
        request: &Request,
        upstream: &Upstream,
        times: u32,
        connections: u32,
    ) -> anyhow::Result<BTreeMap<u16, u32>>;
}
