//! Places of budgets in the shared data.
//!
//! A limit with one budget has its own value, so their number is set by the configuration. A limit for many keys, which
//! come from requests, has its own table of [`ROWS`] values, so clients cannot make it grow and limits do not compete for
//! space. Names in the shared data and the rows of keys are hashes with a random seed, so clients cannot choose keys that
//! collide.

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

use super::{Budget, Limit};
use crate::{Status, shared};

/// Rows of a table. With 8 slots each, a table holds 131,072 keys.
const ROWS: u64 = 16_384;

/// Attempts to set a seed that other workers set as well.
const ATTEMPTS: u32 = 1_000;

/// Returns the name of the value with a budget, and the ID of the budget in it. `kinds` are the words for tables and for
/// single values in names. A limit must always be used with the same prefix and kinds, because its name is computed once.
pub(super) fn place<'l>(
    prefix: &str,
    kinds: (&str, &str),
    budget: &Budget<'l>,
) -> Result<(Cow<'l, str>, u64), Status> {
    let seed = seed()?;
    let name = budget.limit.name.get_or_init(|| name(prefix, kinds, seed, budget));
    Ok(match &budget.key {
        None => (Cow::Borrowed(name), 0),
        Some(key) => {
            let id = hash(seed, key);
            (Cow::Owned(row_name(name, id % ROWS)), id)
        }
    })
}

/// Returns the name of a limit's value or table.
#[cold]
#[inline(never)]
fn name(prefix: &str, (table, value): (&str, &str), seed: Seed, budget: &Budget<'_>) -> String {
    let Limit { amount, period, identity, .. } = budget.limit;
    let kind = if budget.key.is_some() { table } else { value };
    format!("{prefix}.{kind}.{:016x}", hash(seed, (amount, period, identity)))
}

/// Returns the name of a row of a table, with the row as four hexadecimal digits.
pub(super) fn row_name(table: &str, row: u64) -> String {
    let mut name = String::with_capacity(table.len() + 5);
    name.push_str(table);
    name.push('.');
    let digit = |shift: u32| char::from_digit((row >> shift) as u32 & 0xf, 16);
    name.extend([12, 8, 4, 0].into_iter().filter_map(digit));
    name
}

#[inline(never)]
pub(super) fn hash(seed: Seed, what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, what).hash(&mut hasher);
    hasher.finish()
}

/// The seed of hashes.
pub(super) type Seed = [u8; 16];

/// Returns the random seed shared by all workers. It is read once per VM, because shared data outlives the VM.
pub(super) fn seed() -> Result<Seed, Status> {
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
    shared::update("portcullis.seed", ATTEMPTS, |old| {
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
