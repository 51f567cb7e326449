//! The identity of a set, so that a scanner is not used with the automaton of another set.

use std::sync::atomic::{AtomicU32, Ordering};

/// A unique number of a set in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u32);

impl Identity {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
