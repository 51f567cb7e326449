//! Where requests are counted: in the gateway's shared data, by all workers together.
//!
//! A limit with one key has a value of its own, as many as an operator has written. Keys that come from requests
//! share a table of [`ROWS`] values (`places`), one table for all limits of the process, so that clients cannot
//! make it grow. The row of a key is that of a hash which starts from a random number, so that nobody can choose keys
//! that meet another's.

use std::cell::Cell;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

use sdk::{Status, shared, time};

use crate::places::Row;
use crate::rules::Found;
use crate::window::Verdict;

/// Rows of the table: with their places, some 131,000 keys at a time.
const ROWS: u64 = 16_384;

/// How often a worker tries to count when others come between. One of those that meet always succeeds, so this is
/// far more than any number of workers needs.
const ATTEMPTS: u32 = 1_000;

/// Counts a request, unless it is more than its limit.
///
/// # Errors
///
/// The host's status; the request is not counted then.
pub fn count(found: &Found<'_>) -> Result<Verdict, Status> {
    let id = number(seed()?, found);
    let key = match &found.key {
        None => format!("key-rate-limit.limit.{id:016x}"),
        Some(_) => format!("key-rate-limit.row.{}", id % ROWS),
    };
    let limit = found.limit;
    shared::update(&key, ATTEMPTS, |old| {
        // The time is asked after the count was read, so that counts and times have the same order.
        let now = match time::nanoseconds() {
            Ok(now) => now,
            Err(status) => return (None, Err(status)),
        };
        let mut row = Row::read(old.unwrap_or_default());
        let set_back = row.advance(now);
        let verdict = row.take(id, limit.period, limit.requests, now);
        // A refusal changes nothing, unless times are to be counted anew: else the wait would never end.
        let changed = set_back || matches!(verdict, Verdict::Passes { .. });
        (changed.then(|| row.write()), Ok(verdict))
    })?
}

/// The number of a limit and a key of it.
fn number(seed: Seed, found: &Found<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, &found.limit.identity, &found.key).hash(&mut hasher);
    hasher.finish()
}

/// Where hashes start from.
type Seed = [u8; 16];

/// The random number that all workers share. This VM asks for it once: as long as it lives, so does what it shares.
fn seed() -> Result<Seed, Status> {
    thread_local! {
        static SEED: Cell<Option<Seed>> = const { Cell::new(None) };
    }
    if let Some(seed) = SEED.get() {
        return Ok(seed);
    }
    let seed = shared::update("key-rate-limit.seed", ATTEMPTS, |old| {
        match old.and_then(|bytes| Seed::try_from(bytes).ok()) {
            Some(seed) => (None, seed),
            None => {
                let random = RandomState::new();
                let seed = u128::from(random.hash_one(0)) << 64 | u128::from(random.hash_one(1));
                let seed = seed.to_le_bytes();
                (Some(seed.into()), seed)
            }
        }
    })?;
    SEED.set(Some(seed));
    Ok(seed)
}
