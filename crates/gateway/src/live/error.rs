//! Reasons why a running Envoy was not changed.

use std::fmt;
use std::io;

use super::TIMEOUT;
use crate::LogLine;

/// A change was not made. The previous configuration stays active, except for earlier parts of the same change.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChangeError {
    /// Envoy rejected it.
    Refused {
        /// The plug-in concerned, if any.
        plugin: Option<String>,
        /// Its log.
        log: Vec<LogLine>,
    },
    /// Envoy did not react in time.
    NotInTime {
        /// Its log.
        log: Vec<LogLine>,
    },
    /// A file could not be written, or Envoy does not respond.
    Io(io::Error),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = match self {
            Self::Refused { plugin: Some(plugin), log } => {
                write!(f, "Envoy refused {plugin}")?;
                log
            }
            Self::Refused { plugin: None, log } => {
                write!(f, "Envoy rejected the change")?;
                log
            }
            Self::NotInTime { log } => {
                write!(f, "Envoy did not apply the change within {} s", TIMEOUT.as_secs())?;
                log
            }
            Self::Io(cause) => return write!(f, "Envoy cannot be changed: {cause}"),
        };
        if !log.is_empty() {
            write!(f, "; its log:")?;
        }
        log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for ChangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<io::Error> for ChangeError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}
