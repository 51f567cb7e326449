//! The Envoy of a case: one whose configuration stays as it is, or one that takes others while requests pass.

use std::ops::Deref;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use anyhow::bail;
use engine::outcome::LogLine;
use gateway::{Bootstrap, ChangeError, Envoy, Live, LogLevel, Process, StartError};

use super::of_plugin;

/// How long a replaced listener may go on; no case replaces one.
const DRAIN: Duration = Duration::from_secs(1);

/// A running Envoy.
pub(super) enum RunningGateway {
    /// With its configuration in one piece.
    Fixed(Box<Process>),
    /// With its plug-in in a file that it watches.
    Live(Box<RwLock<Live>>),
}

impl RunningGateway {
    /// Starts an Envoy, which takes other configurations if it is `live`.
    pub(super) fn start(
        envoy: &Envoy,
        bootstrap: Bootstrap,
        log_level: LogLevel,
        live: bool,
    ) -> Result<Self, StartError> {
        Ok(if live {
            let live = Live::start(envoy, &bootstrap, log_level, DRAIN)?;
            Self::Live(Box::new(live.into()))
        } else {
            Self::Fixed(Box::new(Process::start(envoy, &bootstrap, log_level)?))
        })
    }

    /// The process.
    pub(super) fn process(&self) -> ProcessRef<'_> {
        match self {
            Self::Fixed(process) => ProcessRef::Fixed(process),
            Self::Live(live) => ProcessRef::Live(live.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Gives the plug-in another configuration, and waits until it is in force: the log of a plug-in that refuses it.
    pub(super) fn configure(
        &self,
        configuration: Option<&str>,
        plugin: &str,
    ) -> anyhow::Result<Result<(), Vec<LogLine>>> {
        let mut live = self.live()?;
        let mut bootstrap = live.current().clone();
        for wasm in &mut bootstrap.plugins {
            wasm.configuration = configuration.map(str::to_owned);
        }
        match live.change(&bootstrap) {
            Ok(_) => Ok(Ok(())),
            Err(ChangeError::Refused { log, .. }) => Ok(Err(of_plugin(&log, plugin))),
            Err(error) => Err(error.into()),
        }
    }

    fn live(&self) -> anyhow::Result<RwLockWriteGuard<'_, Live>> {
        match self {
            Self::Fixed(_) => bail!("this Envoy was started for one configuration"),
            Self::Live(live) => Ok(live.write().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// A borrowed process.
pub(super) enum ProcessRef<'r> {
    Fixed(&'r Process),
    Live(RwLockReadGuard<'r, Live>),
}

impl Deref for ProcessRef<'_> {
    type Target = Process;

    fn deref(&self) -> &Process {
        match self {
            Self::Fixed(process) => process,
            Self::Live(live) => live.process(),
        }
    }
}
