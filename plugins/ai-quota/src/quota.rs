//! Quotas in the memory of the gateway process, which all workers share.

use sdk::{Status, shared};

/// Attempts to change a quota that other workers change as well. One of them always succeeds.
const ATTEMPTS: u32 = 1_000;

/// Returns the name of a consumer's quota. Only an administrator creates one, so clients cannot fill the memory.
fn name(consumer: &[u8]) -> String {
    format!("ai-quota.{}", consumer.escape_ascii())
}

fn read(bytes: Option<&[u8]>) -> Option<i64> {
    bytes?.try_into().ok().map(i64::from_le_bytes)
}

/// Returns a consumer's quota, if one was set.
pub fn get(consumer: &[u8]) -> Result<Option<i64>, Status> {
    Ok(read(shared::get(&name(consumer))?.as_ref().map(|entry| entry.value.as_slice())))
}

/// Sets a consumer's quota.
pub fn set(consumer: &[u8], quota: i64) -> Result<(), Status> {
    shared::set(&name(consumer), quota.to_le_bytes())
}

/// Adds to a consumer's quota, which is created if there is none.
pub fn add(consumer: &[u8], amount: i64) -> Result<(), Status> {
    shared::update(&name(consumer), ATTEMPTS, |old| {
        let quota = read(old).unwrap_or_default().saturating_add(amount);
        (Some(quota.to_le_bytes().to_vec()), ())
    })
}

/// Takes an amount from a consumer's quota, or what is left of it. Returns what was taken: `None` if nothing is left, or no
/// quota was set.
pub fn take(consumer: &[u8], amount: u32) -> Result<Option<u32>, Status> {
    shared::update(&name(consumer), ATTEMPTS, |old| {
        let Some(quota) = read(old).filter(|quota| *quota > 0) else { return (None, None) };
        let taken = i64::from(amount).min(quota);
        (Some((quota - taken).to_le_bytes().to_vec()), u32::try_from(taken).ok())
    })
}
