//! Reasons why a gateway does not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::folder::FolderError;
use crate::hosted::ServiceError;
use crate::{EnvoyError, StartError};

/// A gateway did not start, or had to stop.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The folder cannot be served.
    Folder(FolderError),
    /// The address cannot be listened on.
    Address(SocketAddr, io::Error),
    /// There is no Envoy.
    Envoy(EnvoyError),
    /// A service of `routes.yaml` does not start.
    Service(ServiceError),
    /// Envoy does not start.
    Start(StartError),
    /// Files cannot be watched.
    Watch(notify::Error),
    /// The runtime of the echo does not start.
    Runtime(io::Error),
    /// The thread that plans has ended.
    Planner,
    /// A file operation failed: which one, and on what.
    Io(&'static str, PathBuf, io::Error),
    /// Envoy's files cannot be read.
    Process(io::Error),
}

impl ServeError {
    /// Returns true if the command was wrong, not the folder or the machine.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Folder(_) | Self::Address(..))
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(error) => error.fmt(f),
            Self::Address(address, error) => {
                write!(f, "cannot listen on {address}: {error}; `--port 0` chooses a free port")
            }
            Self::Envoy(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Watch(error) => {
                write!(f, "cannot watch files: {error}")?;
                match error.kind {
                    notify::ErrorKind::MaxFilesWatch => write!(f, "; raise fs.inotify.max_user_watches"),
                    _ => Ok(()),
                }
            }
            Self::Runtime(error) => write!(f, "cannot start the echo upstream: {error}"),
            Self::Planner => write!(f, "the planner thread has ended: this is a bug"),
            Self::Io(verb, path, error) => write!(f, "cannot {verb} {}: {error}", path.display()),
            Self::Process(error) => write!(f, "cannot read Envoy's state: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(_) | Self::Planner => None,
            Self::Address(_, error) | Self::Runtime(error) | Self::Io(_, _, error) | Self::Process(error) => {
                Some(error)
            }
            Self::Envoy(error) => error.source(),
            Self::Service(error) => error.source(),
            Self::Start(error) => error.source(),
            Self::Watch(error) => Some(error),
        }
    }
}

impl From<FolderError> for ServeError {
    fn from(error: FolderError) -> Self {
        Self::Folder(error)
    }
}

impl From<EnvoyError> for ServeError {
    fn from(error: EnvoyError) -> Self {
        Self::Envoy(error)
    }
}

impl From<ServiceError> for ServeError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<StartError> for ServeError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<notify::Error> for ServeError {
    fn from(error: notify::Error) -> Self {
        Self::Watch(error)
    }
}
