//! Where requests are counted: in the gateway's shared data, by all workers together.
//!
//! A limit with one key has a value of its own, as many as an operator has written. A limit for each of many keys,
//! which come from requests, has a table of [`ROWS`] values of its own (`places`), so that clients cannot make it grow and
//! no limit takes room from another. Names in the shared data, and the row of a key, come from hashes that start from
//! a random number, so that nobody can choose keys that meet another's.

use std::cell::Cell;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

use sdk::{Status, shared, time};

use crate::config::Limit;
use crate::places::Row;
use crate::rules::Found;
use crate::window::Verdict;

/// Rows of a table: with their places, some 131,000 keys at a time.
const ROWS: u64 = 16_384;

/// How often a worker tries to count when others come between. One of those that meet always succeeds, so this is
/// far more than any number of workers needs.
const ATTEMPTS: u32 = 1_000;

/// Counts a request under each of the limits that it has, unless it is more than one of them: that one, or the one
/// that has the least left. Nothing comes back for a request without a limit.
///
/// # Errors
///
/// The host's status; the request may be counted under some of its limits then.
pub fn count<'c>(found: &[Found<'c>]) -> Result<Option<(&'c Limit, Verdict)>, Status> {
    if found.len() > 1 {
        // A request that one limit refuses does not count under the others.
        for found in found {
            if let refused @ Verdict::Refused { .. } = judge(found, false)? {
                return Ok(Some((found.limit, refused)));
            }
        }
    }
    let mut least: Option<(&Limit, u32)> = None;
    for found in found {
        match judge(found, true)? {
            Verdict::Passes { left } if least.is_none_or(|(_, least)| left < least) => {
                least = Some((found.limit, left));
            }
            Verdict::Passes { .. } => {}
            // Another request came between.
            refused @ Verdict::Refused { .. } => return Ok(Some((found.limit, refused))),
        }
    }
    Ok(least.map(|(limit, left)| (limit, Verdict::Passes { left })))
}

/// Whether a request passes a limit; it counts then if `counts` says so.
fn judge(found: &Found<'_>, counts: bool) -> Result<Verdict, Status> {
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
        // The time is asked after the count was read, so that counts and times have the same order.
        let now = match time::nanoseconds() {
            Ok(now) => now,
            Err(status) => return (None, Err(status)),
        };
        let mut row = Row::read(limit.period, old.unwrap_or_default());
        let set_back = row.advance(now);
        let verdict = row.take(id, limit.requests, now);
        // A refusal changes nothing, unless times are to be counted anew: else the wait would never end.
        let changed = match verdict {
            Verdict::Passes { .. } => counts,
            Verdict::Refused { .. } => set_back,
        };
        (changed.then(|| row.write()), Ok(verdict))
    })?
}

/// The name of a limit's value or table, made once.
#[cold]
#[inline(never)]
fn name(seed: Seed, found: &Found<'_>) -> String {
    let kind = if found.key.is_some() { "table" } else { "count" };
    format!("key-rate-limit.{kind}.{:016x}", hash(seed, &found.limit.identity))
}

/// The name of a row of a table: the row in hexadecimal digits, which take no more memory than the name.
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
    let seed = agree()?;
    SEED.set(Some(seed));
    Ok(seed)
}

/// The number that all workers use, whoever was first.
#[cold]
#[inline(never)]
fn agree() -> Result<Seed, Status> {
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
