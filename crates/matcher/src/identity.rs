//! Which set a scanner belongs to: a state of one automaton means nothing, or worse, in another.

use std::sync::atomic::{AtomicU32, Ordering};

/// A number that no other set in this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u32);

impl Identity {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
