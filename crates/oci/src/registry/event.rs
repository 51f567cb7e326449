//! What a push or a pull is doing, for whoever shows it.

use std::fmt;
use std::time::Duration;

use super::RequestError;
use crate::{Descriptor, Reference};

/// A step of a push or a pull.
#[derive(Debug)]
pub enum Event<'a> {
    /// An image is being pulled.
    Pulling(&'a Reference),
    /// A blob is being pulled.
    PullingBlob(&'a Descriptor),
    /// A blob is being pushed.
    PushingBlob(&'a Descriptor),
    /// The registry already has a blob.
    Exists(&'a Descriptor),
    /// Everything is being pulled back.
    Comparing,
    /// A request failed in a way that may pass.
    Retrying {
        /// What was requested.
        what: &'a str,
        /// Why it failed.
        error: &'a RequestError,
        /// How long the next attempt is delayed.
        pause: Duration,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = |f: &mut fmt::Formatter<'_>, blob: &Descriptor| {
            write!(f, "{} ({} bytes)", blob.media_type, blob.size)
        };
        match self {
            Self::Pulling(reference) => write!(f, "pulling {reference}"),
            Self::PullingBlob(descriptor) => f.write_str("pulling ").and_then(|()| blob(f, descriptor)),
            Self::PushingBlob(descriptor) => f.write_str("pushing ").and_then(|()| blob(f, descriptor)),
            Self::Exists(descriptor) => blob(f, descriptor).and_then(|()| f.write_str(" already exists")),
            Self::Comparing => f.write_str("pulling it back to compare"),
            Self::Retrying { what, error, pause } => {
                write!(f, "{what}: {error}; retrying in {} ms", pause.as_millis())
            }
        }
    }
}
