//! Shared data: values that all workers of a gateway process read and write.
//!
//! Each worker of a gateway has a VM of its own with memory of its own. What they must agree on (a count
//! that may not exceed a limit, say) goes here: the gateway keeps it, and each change is one that no other
//! worker's change came between.
//!
//! ```no_run
//! use sdk::{Status, shared};
//!
//! /// Takes the next number; every worker gets another one.
//! fn next() -> Result<u64, Status> {
//!     shared::update("my-plugin.next", 64, |old| {
//!         let old = old.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
//!         let number = old.unwrap_or_default() + 1;
//!         (Some(number.to_le_bytes().into()), number)
//!     })
//! }
//! # let _ = next();
//! ```
//!
//! # Who shares
//!
//! All VMs of one process that have the same `vm_id`. Most control planes set none, so that **all plug-ins** of a
//! gateway share one set of keys: a key is written `<plug-in>.<what>`, as the names of metrics are. Two
//! resources that configure the same plug-in share its keys too; what they must not share has something of
//! the configuration in its key.
//!
//! # How long
//!
//! Until the last VM of that `vm_id` is gone: it survives a new configuration as long as a plug-in stays, and
//! is lost when the process ends. Other processes (replicas of the gateway) have their own.
//!
//! A key cannot be removed, only set to something short. So keys never come from what a client sends, or an
//! attacker fills the gateway's memory; keys and values hold no secrets, since every plug-in can read them.
//!
//! # What it costs
//!
//! Each call copies key and value under a lock that all workers share: some hundred nanoseconds, and no wait
//! worth speaking of while values are small. [`update`] is two calls when nobody comes between.

use crate::{Status, host};

/// A value and which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was set last.
    pub value: Vec<u8>,
    /// What [`replace`] asks for.
    pub version: Version,
}

/// Tells one setting of a key from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u32);

/// "Whatever is there", for the host.
const ANY: u32 = 0;

/// A version that no value has, unless 2³² values were set in one process and the very last of them came between
/// two calls. Hosts compare versions only where there is a value, so this one sets a key that is absent and no
/// other.
const NONE: u32 = u32::MAX;

/// The value of a key; nothing when nobody has set it.
///
/// # Errors
///
/// The host's status.
pub fn get(key: &str) -> Result<Option<Entry>, Status> {
    let entry = host::shared_data(key.as_bytes())?;
    Ok(entry.map(|(value, version)| Entry { value, version: Version(version) }))
}

/// Sets a key, whatever is there.
///
/// # Errors
///
/// The host's status.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), Status> {
    host::set_shared_data(key.as_bytes(), value.as_ref(), ANY)
}

/// Sets a key that nobody has set; whether it was so.
///
/// # Errors
///
/// The host's status.
pub fn create(key: &str, value: impl AsRef<[u8]>) -> Result<bool, Status> {
    compare_and_swap(key, value.as_ref(), NONE)
}

/// Sets a key that nobody has set since it was [read](get); whether it was so.
///
/// # Errors
///
/// The host's status.
pub fn replace(key: &str, value: impl AsRef<[u8]>, version: Version) -> Result<bool, Status> {
    compare_and_swap(key, value.as_ref(), version.0)
}

fn compare_and_swap(key: &str, value: &[u8], version: u32) -> Result<bool, Status> {
    match host::set_shared_data(key.as_bytes(), value, version) {
        Ok(()) => Ok(true),
        Err(Status::CAS_MISMATCH) => Ok(false),
        Err(status) => Err(status),
    }
}

/// Changes a key as if no other worker was there: reads it, asks `change` what to set, and begins again when
/// somebody else has set it meanwhile.
///
/// `change` gets the value, or nothing when the key is absent, and gives the new one, or nothing to leave it
/// as it is, and what `update` returns. It may be called several times, and only the last call counts.
///
/// One of the workers that meet always succeeds, so `attempts` is to be well above the number of workers: 64
/// is plenty for most.
///
/// # Errors
///
/// [`Status::CAS_MISMATCH`] when all `attempts` met somebody else; else the host's status. Nothing was set then.
pub fn update<T>(
    key: &str,
    attempts: u32,
    mut change: impl FnMut(Option<&[u8]>) -> (Option<Vec<u8>>, T),
) -> Result<T, Status> {
    for _ in 0..attempts {
        let entry = get(key)?;
        let (value, result) = change(entry.as_ref().map(|entry| entry.value.as_slice()));
        let Some(value) = value else {
            return Ok(result);
        };
        let done = match entry {
            Some(entry) => replace(key, value, entry.version)?,
            None => create(key, value)?,
        };
        if done {
            return Ok(result);
        }
    }
    Err(Status::CAS_MISMATCH)
}
