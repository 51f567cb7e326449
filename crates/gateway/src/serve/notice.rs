//! The events of a gateway, for whoever shows them.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use crate::folder::{Fault, StageOrder};
use crate::plan::Plan;
use crate::{AccessLine, Envoy, LogLine, StartError};

/// Receives what happens while a gateway serves.
pub type Report<'r> = &'r mut dyn FnMut(Notice<'_>);

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'n> {
    /// A file has an error.
    Fault(&'n Fault),
    /// A field has no effect here, or not the one that it seems to have.
    Remark(&'n Fault),
    /// Part of a change was rejected; the configuration from before stays in force for it.
    Rejected,
    /// A service did not start, or Envoy did not accept a change.
    ChangeFailed(&'n dyn Error),
    /// The folder has errors from the beginning, and is planned again when its files change.
    Waiting,
    /// Files of such a folder have changed.
    Planning,
    /// Other programs cannot follow this gateway.
    NoSocket(&'n io::Error),
    /// The gateway accepts requests.
    Serving {
        /// The address.
        address: SocketAddr,
        /// The Envoy that runs.
        envoy: &'n Envoy,
        /// What is in force.
        plan: &'n Plan,
        /// The order of stages.
        order: StageOrder,
    },
    /// Plug-ins were replaced in place.
    Reloaded {
        /// Their names.
        plugins: Vec<&'n str>,
        /// What is in force.
        plan: &'n Plan,
        /// The time since the change was noticed.
        took: Duration,
    },
    /// Plug-ins came, went or changed places.
    Reordered {
        /// What is in force.
        plan: &'n Plan,
        /// The order of stages.
        order: StageOrder,
        /// The time since the change was noticed.
        took: Duration,
    },
    /// Routes or services changed.
    RoutesChanged {
        /// The time since the change was noticed.
        took: Duration,
    },
    /// Files changed, and nothing that Envoy runs.
    Unchanged {
        /// Whether the files had errors before.
        repaired: bool,
        /// What is in force.
        plan: &'n Plan,
    },
    /// Envoy or a plug-in logged a line.
    Log(&'n LogLine),
    /// A request ended.
    Access(&'n AccessLine),
    /// Counters and gauges of plug-ins that changed, with their values.
    Metrics(&'n [(String, u64)]),
    /// Envoy ended.
    EnvoyExited {
        /// How.
        status: ExitStatus,
        /// The last lines of its log.
        log: &'n [LogLine],
    },
    /// Envoy was started again.
    EnvoyRestarted {
        /// The address that it listens on.
        address: SocketAddr,
    },
    /// Envoy could not be started again; another attempt follows.
    EnvoyNotRestarted(&'n StartError),
    /// The gateway stops.
    Stopped,
}
