//! Passwords that are stored as hashes.
//!
//! ```
//! use auth::passwords::{Hash, Outcome, Passwords};
//!
//! let hash = Hash::parse("$apr1$EXfBN1bF$nuywSFTnPTcqbH5z4x6IG/")?;
//! let passwords = Passwords::new(4, [("alice", hash)]);
//! let clock = || Ok::<u64, ()>(0);
//! assert_eq!(passwords.check(b"alice", b"myPassword", clock), Ok(Outcome::Right(0)));
//! assert_eq!(passwords.check(b"alice", b"mypassword", clock), Ok(Outcome::Wrong));
//! # Ok::<(), auth::passwords::HashError>(())
//! ```
//!
//! A check of a hash takes milliseconds of the worker, in which it serves no other request. Therefore
//!
//! - a hash that takes longer than [`MAX_MICROSECONDS`] is rejected when the configuration is loaded;
//! - the last right password of each hash, and [1024](FAILED) wrong pairs of user and password are remembered, as digests
//!   under a key that is random in each VM;
//! - a VM computes only so many hashes per second.
//!
//! An unknown user costs as much as the one of the first hash, so that the time of a response does not reveal which users
//! exist.

mod argon2id;
mod hash;
mod md5_crypt;
mod sha_crypt;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::credentials::Credentials;

pub use hash::{Hash, HashError, MAX_MICROSECONDS, MAX_PASSWORD};

/// The number of wrong pairs of user and password that are remembered.
pub const FAILED: usize = 1024;

/// A keyed digest of a pair of user and password.
type Digest = [u8; 32];

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The password is right; with the number of its hash, in the order in which they were passed.
    Right(usize),
    /// The user is unknown, or the password is wrong.
    Wrong,
    /// No more hashes may be computed in this second.
    Later,
}

/// The hashes of the passwords of users.
pub struct Passwords {
    hashes: Vec<Stored>,
    /// The users, with their indexes in `numbers`.
    users: Option<Credentials>,
    /// The numbers of the hashes of each user, and in the end those that are computed for unknown users.
    numbers: Vec<Vec<usize>>,
    /// As long as a block of SHA-256.
    key: [u8; 64],
    failed: RefCell<Failed>,
    limit: RefCell<Limit>,
}

struct Stored {
    hash: Hash,
    /// The last right pair; zeros if there was none.
    right: Cell<Digest>,
}

impl Passwords {
    /// Collects users and their hashes; a user may have several. A VM computes at most `max_hashes_per_second`.
    pub fn new<'u>(max_hashes_per_second: usize, users: impl IntoIterator<Item = (&'u str, Hash)>) -> Self {
        let mut hashes = Vec::new();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, (user, hash)) in users.into_iter().enumerate() {
            hashes.push(Stored { hash, right: Cell::new(Digest::default()) });
            by_name.entry(user).or_default().push(number);
        }
        let names = by_name.keys().enumerate().map(|(index, name)| (name.as_bytes(), index));
        // The names are the keys of a map, so none is a duplicate.
        let users = Credentials::new(names).ok();
        let numbers = by_name.into_values().chain([vec![0]]).collect();
        let keys = RandomState::new();
        let mut key = [0; 64];
        for (number, bytes) in key.chunks_exact_mut(8).enumerate() {
            bytes.copy_from_slice(&keys.hash_one(number).to_le_bytes());
        }
        Passwords {
            hashes,
            users,
            numbers,
            key,
            failed: RefCell::new(Failed(Vec::new())),
            limit: RefCell::new(Limit { max: max_hashes_per_second, recent: VecDeque::new() }),
        }
    }

    /// Checks a password. `clock` returns nanoseconds.
    ///
    /// # Errors
    ///
    /// The error of the clock, which is read before a hash is computed.
    pub fn check<E>(
        &self,
        user: &[u8],
        password: &[u8],
        clock: impl Fn() -> Result<u64, E>,
    ) -> Result<Outcome, E> {
        let user_index = self.users.as_ref().and_then(|users| users.find(user));
        let is_known = user_index.is_some();
        let numbers = self.numbers.get(user_index.unwrap_or(self.numbers.len().saturating_sub(1)));
        let hashes =
            numbers.into_iter().flatten().filter_map(|number| Some((*number, self.hashes.get(*number)?)));
        let pair = self.digest(user, password);
        for (number, stored) in hashes.clone() {
            if bool::from(stored.right.get().ct_eq(&pair)) & is_known {
                return Ok(Outcome::Right(number));
            }
        }
        if self.failed.borrow().contains(&pair) {
            return Ok(Outcome::Wrong);
        }
        for (number, stored) in hashes {
            if !stored.hash.is_fast() && !self.limit.borrow_mut().allows(clock()?) {
                return Ok(Outcome::Later);
            }
            if stored.hash.matches(password) & is_known {
                stored.right.set(pair);
                return Ok(Outcome::Right(number));
            }
        }
        self.failed.borrow_mut().insert(pair);
        Ok(Outcome::Wrong)
    }

    fn digest(&self, user: &[u8], password: &[u8]) -> Digest {
        let mut mac = Hmac::<Sha256>::new((&self.key).into());
        mac.update(&user.len().to_le_bytes());
        mac.update(user);
        mac.update(password);
        mac.finalize().into_bytes().into()
    }
}

/// Wrong pairs, each in the one place that its digest determines, where a later one replaces it.
struct Failed(Vec<Digest>);

impl Failed {
    fn place(pair: &Digest) -> usize {
        let [first, second, ..] = pair;
        usize::from(u16::from_le_bytes([*first, *second])) % FAILED
    }

    fn contains(&self, pair: &Digest) -> bool {
        self.0.get(Self::place(pair)).is_some_and(|known| known.ct_eq(pair).into())
    }

    fn insert(&mut self, pair: Digest) {
        self.0.resize(FAILED, Digest::default());
        if let Some(place) = self.0.get_mut(Self::place(&pair)) {
            *place = pair;
        }
    }
}

/// Permits a number of events in any second.
struct Limit {
    max: usize,
    /// The times of the last events, in nanoseconds.
    recent: VecDeque<u64>,
}

const SECOND: u64 = 1_000_000_000;

impl Limit {
    fn allows(&mut self, now: u64) -> bool {
        // A time in the future is from before the clock was set back.
        let is_over = |time: &u64| *time > now || now - *time >= SECOND;
        while self.recent.front().is_some_and(is_over) {
            self.recent.pop_front();
        }
        let allows = self.recent.len() < self.max;
        if allows {
            self.recent.push_back(now);
        }
        allows
    }
}

#[cfg(test)]
mod tests;
