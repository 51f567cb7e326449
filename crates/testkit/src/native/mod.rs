//! The native engine: the plug-in's Rust code against a mock of its host, in this process.
//!
//! A case takes milliseconds, and a debugger sees everything.

mod classic;
mod linked;

pub use sdk::native::Entry;

use engine::host;

use self::linked::{entry, install};
use crate::case::{PropertyNames, Setup};
use crate::{Engine, EngineName, Load};

/// Runs a plug-in that is linked into this process, each time on a thread of its own, as workers are.
pub struct Native {
    entry: fn() -> Entry,
}

/// Runs it on the thread that asks, with as many configurations as there are in one VM: quicker, and one
/// request at a time.
pub struct NativeHere {
    entry: fn() -> Entry,
    common: host::Common,
}

impl NativeHere {
    /// An engine for the plug-in that `entry` makes.
    #[must_use]
    pub fn new(entry: fn() -> Entry) -> Self {
        Self { entry, common: host::Common::new(install) }
    }
}

impl Engine for NativeHere {
    fn name(&self) -> EngineName {
        EngineName::Native
    }

    fn load(&self, setup: &Setup) -> anyhow::Result<Load> {
        if setup.gateway.names == PropertyNames::Stock {
            return Ok(self.common.load(setup, entry((self.entry)())));
        }
        // A VM asks once how its gateway spells properties, and these are spelt otherwise.
        Native::new(self.entry).load(setup)
    }
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
        let start = self.entry;
        host::load(setup, move |host| {
            install(&host);
            Ok(entry(start()))
        })
    }
}
