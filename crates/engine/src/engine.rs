//! What every engine does: loads a plug-in with a configuration, and passes requests through it.

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

/// Runs one plug-in. Cases come from several threads at once.
pub trait Engine: Send + Sync {
    /// Which engine this is.
    fn name(&self) -> EngineName;

    /// Loads the plug-in for one case.
    ///
    /// # Errors
    ///
    /// The engine itself failed, which says nothing about the plug-in.
    fn load(&self, setup: &Setup) -> anyhow::Result<Load>;

    /// The same gateway without any plug-in: what it changes itself is not the plug-in's doing.
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

/// What came of a configuration.
pub enum Load {
    /// It is in force.
    Loaded(Box<dyn Loaded>),
    /// The plug-in refused it.
    Refused {
        /// What was logged meanwhile.
        log: Vec<LogLine>,
    },
}

/// A plug-in with a configuration in force, for the length of one case.
pub trait Loaded {
    /// Sends one request through, and waits until everything that belongs to it is over. The upstream answers with `upstream`.
    ///
    /// # Errors
    ///
    /// The engine itself failed. A request without an answer is an [`Outcome`], not an error.
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome>;

    /// Sends requests, each with what the upstream answers to it, so that they are open at once in one VM, and gives
    /// their outcomes in the same order. Log, counters and what is left are those of all together.
    ///
    /// # Errors
    ///
    /// The engine itself failed, an event cannot happen, or a configuration comes out otherwise than its event says.
    fn interleave(&mut self, requests: &[(Request, Upstream)], order: &Order)
    -> anyhow::Result<Vec<Outcome>>;

    /// Sends one request so many times, over so many connections at once, and counts the responses by status; 0
    /// means no response.
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
