//! Former differences between the mock host and Envoy, which can be reintroduced to test that the comparison finds them.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Difference {
    /// `host` is a separate header, not an alias of `:authority`.
    Host = 1,
    /// A response of any size can be held.
    HeldResponses,
    /// A value that is added to a single-value header is a second header.
    Joined,
    /// A replaced header keeps its position.
    Replaced,
}

static PUT_BACK: AtomicU8 = AtomicU8::new(0);

/// Reintroduces one difference, or none, in all mock hosts of this process.
pub fn put_back(difference: Option<Difference>) {
    PUT_BACK.store(difference.map_or(0, |difference| difference as u8), Relaxed);
}

/// Whether the mock host has this difference.
pub(super) fn has(difference: Difference) -> bool {
    PUT_BACK.load(Relaxed) == difference as u8
}
