//! The gateway's clock.
//!
//! ```no_run
//! let today = sdk::time::now()?;
//! # Ok::<(), sdk::Status>(())
//! ```
//!
//! It is the wall clock of the machine, the same for all workers. It is not monotonic: an administrator or a time server
//! may change it.

use std::time::{Duration, SystemTime};

use crate::{Status, host};

/// Returns the current time.
///
/// # Errors
///
/// The host's status.
pub fn now() -> Result<SystemTime, Status> {
    Ok(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds()?))
}

/// Returns the current time in nanoseconds since 1970-01-01T00:00:00Z, valid until the year 2554.
///
/// # Errors
///
/// The host's status.
pub fn nanoseconds() -> Result<u64, Status> {
    host::time()
}
