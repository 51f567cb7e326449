//! Differences from Envoy that the mock host once had, put back to show that comparing it with Envoy finds them.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Difference {
    /// `host` is a header of its own, not another name of `:authority`.
    Host = 1,
    /// A response may be held whatever its size.
    HeldResponses,
    /// A value that is added to a header of which Envoy keeps one is another header.
    Joined,
    /// A header that is replaced stays where it is.
    Replaced,
}

static PUT_BACK: AtomicU8 = AtomicU8::new(0);

/// Puts one difference back, in all mock hosts of this process, or none.
pub fn put_back(difference: Option<Difference>) {
    PUT_BACK.store(difference.map_or(0, |difference| difference as u8), Relaxed);
}

/// Whether the mock host has this difference.
pub(super) fn has(difference: Difference) -> bool {
    PUT_BACK.load(Relaxed) == difference as u8
}
