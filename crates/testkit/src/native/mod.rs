//! The native engine: the plug-in's Rust code against a mock of its host, in this process.
//!
//! A case takes milliseconds, and a debugger sees everything.

mod classic;

pub use sdk::native::Entry;

use crate::case::Setup;
use crate::{Engine, EngineName, Load, host};

/// Runs a plug-in that is linked into this process.
pub struct Native {
    entry: fn() -> Entry,
}

impl Native {
    /// An engine for the plug-in that `entry` makes. It is called on the thread of each VM.
    #[must_use]
    pub fn new(entry: fn() -> Entry) -> Self {
        Self { entry }
    }
}

impl Engine for Native {
    fn name(&self) -> EngineName {
        EngineName::Native
    }

    fn load(&self, setup: &Setup) -> anyhow::Result<Load> {
        let entry = self.entry;
        host::load(setup, move |host| {
            sdk::native::install(host);
            Ok(entry())
        })
    }
}
