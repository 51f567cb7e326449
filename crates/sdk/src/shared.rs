//! Shared data: values that all workers of a gateway process can read and write.
//!
//! Each worker of a gateway has its own VM with its own memory. Values that workers must agree on, such as the counter of
//! a rate limit, are stored in the gateway, where each change is atomic.
//!
//! ```no_run
//! use sdk::{Status, shared};
//!
//! /// Returns the next number, which no other worker gets.
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
//! # Scope
//!
//! All VMs of a process with the same `vm_id` share the data. Most control planes do not set a `vm_id`, so **all
//! plug-ins** of a gateway share one set of keys: name a key `<plug-in>.<key>`, like a metric. Two resources that
//! configure the same plug-in share its keys too; include a part of the configuration in keys that they must not share.
//!
//! # Lifetime
//!
//! The data exists until the last VM with the `vm_id` is deleted: it survives a new configuration as long as a plug-in
//! remains, and is lost when the process ends. Other processes, such as replicas of the gateway, have their own data.
//!
//! A key cannot be removed, only set to a short value. Do not derive keys from client input, because an attacker could fill
//! the gateway's memory, and do not store secrets, because every plug-in can read the data.
//!
//! # Cost
//!
//! Each call copies key and value under a lock that all workers share. This takes some hundred nanoseconds, with little
//! contention as long as values are small. [`update`] makes two calls if no other worker interferes.

use crate::{Status, host};

/// A value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// The version, for [`replace`].
    pub version: Version,
}

/// The version of a value, which changes whenever the key is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u32);

/// The host's number for any version.
const ANY: u32 = 0;

/// A version that no value has, unless 2³² values were set in the process and the last of them was set between two calls.
/// Hosts compare versions only if the key exists, so this version sets only absent keys.
const NONE: u32 = u32::MAX;

/// Returns the value of a key, if it is set.
///
/// # Errors
///
/// The host's status.
pub fn get(key: &str) -> Result<Option<Entry>, Status> {
    let entry = host::shared_data(key.as_bytes())?;
    Ok(entry.map(|(value, version)| Entry { value, version: Version(version) }))
}

/// Sets a key unconditionally.
///
/// # Errors
///
/// The host's status.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), Status> {
    host::set_shared_data(key.as_bytes(), value.as_ref(), ANY)
}

/// Sets a key if it is not set, and returns true if it did.
///
/// # Errors
///
/// The host's status.
pub fn create(key: &str, value: impl AsRef<[u8]>) -> Result<bool, Status> {
    compare_and_swap(key, value.as_ref(), NONE)
}

/// Sets a key if it has not been set since it was [read](get), and returns true if it did.
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

/// Changes a key atomically: reads it, calls `change`, sets the result, and starts over if another worker has set the key
/// meanwhile.
///
/// `change` receives the value, or `None` if the key is not set. It returns the new value, or `None` to keep the old one,
/// and the result of `update`. It may be called several times; only the last call counts.
///
/// Of several concurrent workers, one always succeeds, so choose `attempts` well above the number of workers: 64 is
/// enough for most gateways.
///
/// # Errors
///
/// [`Status::CAS_MISMATCH`] if all `attempts` were interrupted by other workers, or else the host's status. The key is
/// not set then.
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
