//! A cache of verified tokens, because verifying a signature takes much longer than all else.
//!
//! Its size is fixed, and only valid tokens enter it, so clients cannot fill it with others. An entry is found by the SHA-256
//! of a token and its places, so the time of a look-up does not depend on how much of a token is right.

use std::rc::Rc;

/// The number of sets, a power of two.
const SETS: usize = 1024;

/// The number of entries of a set. The least recently used one is replaced.
const WAYS: usize = 4;

/// The SHA-256 of a token and its places.
pub type Digest = [u8; 32];

/// A token that has been verified.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// The number of its consumer.
    pub consumer: usize,
    /// The values of the headers with claims, in the order of the configuration.
    pub headers: Vec<Option<String>>,
    /// The time at which it expires, in seconds since 1970, if it does.
    pub expiry: Option<u64>,
}

/// Verified tokens.
#[derive(Default)]
pub struct Cache {
    /// Empty until the first token.
    sets: Vec<Vec<(Digest, Rc<Verified>)>>,
    /// The generation of the keys.
    generation: u64,
}

impl Cache {
    /// Returns a token, unless it has expired or the keys have changed.
    pub fn get(&mut self, digest: &Digest, now: u64, generation: u64) -> Option<Rc<Verified>> {
        if self.generation != generation {
            self.sets.clear();
            self.generation = generation;
        }
        let set = self.sets.get_mut(set_of(digest))?;
        let place = set.iter().position(|(known, _)| known == digest)?;
        let entry = set.remove(place);
        if entry.1.expiry.is_some_and(|expiry| expiry <= now) {
            return None;
        }
        let verified = entry.1.clone();
        set.insert(0, entry);
        Some(verified)
    }

    /// Adds a token that was verified with the keys of the last [`get`](Self::get).
    pub fn insert(&mut self, digest: Digest, verified: Rc<Verified>) {
        self.sets.resize_with(SETS, Vec::new);
        if let Some(set) = self.sets.get_mut(set_of(&digest)) {
            set.truncate(WAYS - 1);
            set.insert(0, (digest, verified));
        }
    }
}

fn set_of(digest: &Digest) -> usize {
    let [first, second, ..] = *digest;
    usize::from(u16::from_le_bytes([first, second])) % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(expiry: Option<u64>) -> Rc<Verified> {
        Rc::new(Verified { consumer: 0, headers: Vec::new(), expiry })
    }

    #[test]
    fn a_token_is_found_until_it_expires() {
        let mut cache = Cache::default();
        assert_eq!(cache.get(&[1; 32], 0, 0), None);
        cache.insert([1; 32], token(Some(100)));
        cache.insert([2; 32], token(None));
        assert!(cache.get(&[1; 32], 99, 0).is_some());
        assert!(cache.get(&[1; 32], 100, 0).is_none());
        assert!(cache.get(&[1; 32], 99, 0).is_none(), "it was removed");
        assert!(cache.get(&[2; 32], u64::MAX, 0).is_some());
    }

    #[test]
    fn other_keys_empty_the_cache() {
        let mut cache = Cache::default();
        cache.insert([1; 32], token(None));
        assert!(cache.get(&[1; 32], 0, 1).is_none());
        assert!(cache.get(&[1; 32], 0, 0).is_none(), "for good");
    }

    #[test]
    fn the_size_is_fixed_and_the_least_recently_used_is_replaced() {
        let mut cache = Cache::default();
        let digest = |number: u32| {
            let mut digest = [0; 32];
            digest[4..8].copy_from_slice(&number.to_le_bytes());
            digest
        };
        for number in 0..4 {
            cache.insert(digest(number), token(None));
        }
        assert!(cache.get(&digest(0), 0, 0).is_some());
        cache.insert(digest(4), token(None));
        assert!(cache.get(&digest(0), 0, 0).is_some(), "used last");
        assert!(cache.get(&digest(1), 0, 0).is_none());
        for number in 0..100_000_u32 {
            let mut digest = digest(number);
            digest[..2].copy_from_slice(&(number as u16).to_le_bytes());
            cache.insert(digest, token(None));
        }
        assert_eq!(cache.sets.iter().map(Vec::len).sum::<usize>(), SETS * WAYS);
    }
}
