//! Counts requests in the gateway's shared data, across all workers.
//!
//! A limit with one key has its own value, so their number is set by the configuration. A limit for many keys, which
//! come from requests, has its own table of [`ROWS`] values (see `slots`), so clients cannot make it grow and limits do
//! not compete for space. Names in the shared data and the rows of keys are hashes with a random seed, so clients cannot
//! choose keys that collide.

use std::cell::Cell;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

use sdk::{Status, shared, time};

use crate::config::Limit;
use crate::rules::KeyedLimit;
use crate::slots::Row;
use crate::window::Verdict;

/// Rows of a table. With 8 slots each, a table holds 131,072 keys.
const ROWS: u64 = 16_384;

/// Attempts to update a count that other workers update as well. One of the competing workers always succeeds, so this
/// is far more than needed.
const ATTEMPTS: u32 = 1_000;

/// Counts a request under each of its limits unless one of them is reached. Returns the limit that is reached, or the
/// one with the fewest remaining requests, or `None` for a request without limits.
///
/// # Errors
///
/// Returns the host's status. The request may have been counted under some of its limits.
pub fn count<'c>(found: &[KeyedLimit<'c>]) -> Result<Option<(&'c Limit, Verdict)>, Status> {
    if found.len() > 1 {
        // A request refused by one limit does not count under the others.
        for found in found {
            if let refused @ Verdict::Refused { .. } = check(found, false)? {
                return Ok(Some((found.limit, refused)));
            }
        }
    }
    let mut least: Option<(&Limit, u32)> = None;
    for found in found {
        match check(found, true)? {
            Verdict::Passes { left } if least.is_none_or(|(_, least)| left < least) => {
                least = Some((found.limit, left));
            }
            Verdict::Passes { .. } => {}
            // Another request was counted in between.
            refused @ Verdict::Refused { .. } => return Ok(Some((found.limit, refused))),
        }
    }
    Ok(least.map(|(limit, left)| (limit, Verdict::Passes { left })))
}

/// Checks a request against a limit, and counts it if it passes and `counts` is true.
fn check(found: &KeyedLimit<'_>, counts: bool) -> Result<Verdict, Status> {
    let seed = seed()?;
    let limit = found.limit;
    let name = limit.name.get_or_init(|| name(seed, found));
    let (id, row);
    let key = match &found.key {
        None => {
            id = 0;
            name
        }
        Some(key) => {
            id = hash(seed, key);
            row = row_name(name, id % ROWS);
            &row
        }
    };
    shared::update(key, ATTEMPTS, |old| {
        // Read the time after the count, so counts and times have the same order.
        let now = match time::nanoseconds() {
            Ok(now) => now,
            Err(status) => return (None, Err(status)),
        };
        let mut row = Row::read(limit.period, old.unwrap_or_default());
        let set_back = row.advance(now);
        let verdict = row.take(id, limit.requests, now);
        // A refusal is not stored, unless the clock was set back: otherwise the wait would never end.
        let changed = match verdict {
            Verdict::Passes { .. } => counts,
            Verdict::Refused { .. } => set_back,
        };
        (changed.then(|| row.write()), Ok(verdict))
    })?
}

/// Returns the name of a limit's value or table, computed once.
#[cold]
#[inline(never)]
fn name(seed: Seed, found: &KeyedLimit<'_>) -> String {
    let kind = if found.key.is_some() { "table" } else { "count" };
    format!("key-rate-limit.{kind}.{:016x}", hash(seed, &found.limit.identity))
}

/// Returns the name of a row of a table, with the row as four hexadecimal digits.
fn row_name(table: &str, row: u64) -> String {
    let mut name = String::with_capacity(table.len() + 5);
    name.push_str(table);
    name.push('.');
    let digit = |shift: u32| char::from_digit((row >> shift) as u32 & 0xf, 16);
    name.extend([12, 8, 4, 0].into_iter().filter_map(digit));
    name
}

#[inline(never)]
fn hash(seed: Seed, what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, what).hash(&mut hasher);
    hasher.finish()
}

/// The seed of hashes.
type Seed = [u8; 16];

/// Returns the random seed shared by all workers. It is read once per VM, because shared data outlives the VM.
fn seed() -> Result<Seed, Status> {
    thread_local! {
        static SEED: Cell<Option<Seed>> = const { Cell::new(None) };
    }
    if let Some(seed) = SEED.get() {
        return Ok(seed);
    }
    let seed = shared_seed()?;
    SEED.set(Some(seed));
    Ok(seed)
}

/// Reads the shared seed, or stores a new one if there is none.
#[cold]
#[inline(never)]
fn shared_seed() -> Result<Seed, Status> {
    shared::update("key-rate-limit.seed", ATTEMPTS, |old| {
        match old.and_then(|bytes| Seed::try_from(bytes).ok()) {
            Some(seed) => (None, seed),
            None => {
                let random = RandomState::new();
                let seed = u128::from(random.hash_one(0)) << 64 | u128::from(random.hash_one(1));
                let seed = seed.to_le_bytes();
                (Some(seed.into()), seed)
            }
        }
    })
}
