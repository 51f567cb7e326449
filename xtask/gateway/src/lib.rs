//! A gateway on this machine: from a folder of `WasmPlugin` resources to a real Envoy that follows its changes.
//!
//! [`modules`] makes a file of what a resource's `url` names, [`plan`] makes of the folder what Envoy runs, and
//! [`serve`] keeps an Envoy running and in step with it.
//!
//! # Invariants
//!
//! - What serves is never touched by what is wrong: a plug-in, the routes or the folder is taken whole or not at all.
//! - A module's file never changes; another module is another file.

pub mod echo;
pub mod modules;
pub mod plan;
pub mod secret;
pub mod serve;
pub mod show;
pub mod state;
mod watch;
pub mod workspace;

use std::fmt;

use gateway::folder::StageOrder;

/// The command itself was wrong: no such folder, a port in use.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The order of stages, as a command takes it.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Order {
    /// authz, authn, stats, default.
    Mse,
    /// authn, authz, stats, default.
    Istio,
}

impl From<Order> for StageOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Mse => Self::Mse,
            Order::Istio => Self::Istio,
        }
    }
}
