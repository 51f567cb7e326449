//! The stored responses of a gateway process, in shared data.
//!
//! Keys of shared data cannot be removed, so the store has a fixed number of them: sets of a few responses each, and a key for
//! the body of each. A key of a response determines its set. A body begins with the number of its response, so one that
//! another worker has replaced meanwhile is not used.

use sdk::{Status, shared};

/// The number of responses in a set.
const WAYS: u8 = 4;

/// Attempts to change a set while other workers do.
const ATTEMPTS: u32 = 64;

/// The digest of everything that finds a response.
pub type Key = [u8; 32];

/// A stored response without its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its place in the set.
    way: u8,
    /// What finds it.
    pub key: Key,
    /// Headers that a request must have too, with their values.
    pub vary: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// When it was stored, in nanoseconds since 1970.
    pub stored: u64,
    /// Its age at that time in seconds.
    pub age: u64,
    /// The age in seconds at which it is no longer fresh.
    pub lifetime: u64,
    /// A digest of its body, which with [`stored`](Self::stored) is the number of the response.
    digest: [u8; 16],
}

impl Entry {
    /// The names of headers on which the responses with a key depend.
    #[cfg(any(test, feature = "redis"))]
    pub fn index(&self) -> Self {
        let vary = self.vary.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
        Self { key: self.key, vary, stored: self.stored, ..Self::default() }
    }

    /// Returns true for [names of headers](Self::index) instead of a response.
    #[cfg(any(test, feature = "redis"))]
    pub fn is_index(&self) -> bool {
        self.status == 0
    }

    /// A response with a key and a status.
    pub fn new(key: Key, status: u16) -> Self {
        Self { key, status, ..Self::default() }
    }

    /// The age of the response in seconds.
    pub fn age_at(&self, now: u64) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        self.age.saturating_add(now.saturating_sub(self.stored) / SECOND)
    }

    /// Returns true until it has to be requested again.
    pub fn is_fresh_at(&self, now: u64) -> bool {
        self.age_at(now) < self.lifetime
    }

    fn number(&self) -> [u8; NUMBER] {
        let mut number = [0; NUMBER];
        let (stored, digest) = number.split_at_mut(8);
        stored.copy_from_slice(&self.stored.to_le_bytes());
        digest.copy_from_slice(&self.digest);
        number
    }
}

/// The size of the number of a response.
const NUMBER: usize = 24;

/// The set of a response.
fn set(key: &Key, entries: u32) -> String {
    let [a, b, c, d, ..] = *key;
    let sets = entries.div_ceil(WAYS.into()).max(1);
    format!("response-cache.{}", u32::from_le_bytes([a, b, c, d]) % sets)
}

/// Returns the responses with a key.
///
/// # Errors
///
/// The host's status.
pub fn find(key: &Key, entries: u32) -> Result<Vec<Entry>, Status> {
    let stored = shared::get(&set(key, entries))?;
    let mut found = stored.map(|entry| decode(&entry.value)).unwrap_or_default();
    found.retain(|entry| entry.key == *key);
    Ok(found)
}

/// Returns the body of a response, unless it has been replaced.
///
/// # Errors
///
/// The host's status.
pub fn body(entry: &Entry, entries: u32) -> Result<Option<Vec<u8>>, Status> {
    let stored = shared::get(&format!("{}.{}", set(&entry.key, entries), entry.way))?;
    Ok(stored.and_then(|mut stored| {
        stored.value.starts_with(&entry.number()).then(|| stored.value.split_off(NUMBER))
    }))
}

/// Stores a response in the place of one that it replaces, or else of the oldest.
///
/// # Errors
///
/// The host's status.
pub fn put(mut entry: Entry, body: &[u8], entries: u32, now: u64) -> Result<(), Status> {
    let set = set(&entry.key, entries);
    entry.digest = checksum(body);
    entry.stored = now;
    let stored = shared::get(&set)?.map(|stored| decode(&stored.value)).unwrap_or_default();
    // A small cache has fewer places than a set.
    let ways = u8::try_from(entries).map_or(WAYS, |entries| entries.min(WAYS));
    entry.way = place(&stored, &entry, ways, now);
    shared::set(&format!("{set}.{}", entry.way), [&entry.number(), body].concat())?;
    shared::update(&set, ATTEMPTS, |old| {
        let mut stored = old.map(decode).unwrap_or_default();
        let replaces =
            |other: &Entry| other.way == entry.way || (other.key == entry.key && other.vary == entry.vary);
        stored.retain(|other| !replaces(other));
        stored.push(entry.clone());
        (Some(encode(&stored)), ())
    })
}

/// The first bytes of the digest of a text.
fn checksum(text: &[u8]) -> [u8; 16] {
    use sha2::{Digest, Sha256};

    let digest: [u8; 32] = Sha256::digest(text).into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// The version of the format of [`pack`].
#[cfg(any(test, feature = "redis"))]
const VERSION: u8 = 1;

/// Returns a response and its body as bytes.
#[cfg(any(test, feature = "redis"))]
pub fn pack(entry: &Entry, body: &[u8]) -> Vec<u8> {
    let text = [&*encode(std::slice::from_ref(entry)), body].concat();
    [&[VERSION], &checksum(&text)[..], &text].concat()
}

/// Reads what [`pack`] has written; `None` if it is damaged.
#[cfg(any(test, feature = "redis"))]
pub fn unpack(bytes: &[u8]) -> Option<(Entry, Vec<u8>)> {
    let (VERSION, rest) = bytes.split_first().map(|(version, rest)| (*version, rest))? else { return None };
    let (sum, mut text) = rest.split_first_chunk()?;
    if *sum != checksum(text) {
        return None;
    }
    Some((entry(&mut text)?, text.to_vec()))
}

/// The place of a new response.
fn place(stored: &[Entry], entry: &Entry, ways: u8, now: u64) -> u8 {
    if let Some(same) = stored.iter().find(|other| other.key == entry.key && other.vary == entry.vary) {
        return same.way;
    }
    let is_free = |way: &u8| !stored.iter().any(|other| other.way == *way && other.is_fresh_at(now));
    let oldest = || stored.iter().filter(|other| other.way < ways).min_by_key(|other| other.stored);
    (0..ways).find(is_free).or_else(|| oldest().map(|other| other.way)).unwrap_or_default()
}

/// Removes the responses with a key.
///
/// # Errors
///
/// The host's status.
pub fn remove(key: &Key, entries: u32) -> Result<(), Status> {
    shared::update(&set(key, entries), ATTEMPTS, |old| {
        let mut stored = old.map(decode).unwrap_or_default();
        let count = stored.len();
        stored.retain(|entry| entry.key != *key);
        ((stored.len() < count).then(|| encode(&stored)), ())
    })
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.push(entry.way);
        bytes.extend(entry.key);
        bytes.extend(entry.digest);
        bytes.extend(entry.status.to_le_bytes());
        for number in [entry.stored, entry.age, entry.lifetime] {
            bytes.extend(number.to_le_bytes());
        }
        for pairs in [&entry.vary, &entry.headers] {
            bytes.extend(size(pairs.len()));
            for (name, value) in pairs {
                for text in [name, value] {
                    bytes.extend(size(text.len()));
                    bytes.extend(text);
                }
            }
        }
    }
    bytes
}

fn size(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// Reads entries up to the first that is incomplete.
fn decode(bytes: &[u8]) -> Vec<Entry> {
    let mut rest = bytes;
    std::iter::from_fn(|| entry(&mut rest)).collect()
}

fn entry(rest: &mut &[u8]) -> Option<Entry> {
    let [way] = array(rest)?;
    let (key, digest) = (array(rest)?, array(rest)?);
    let status = u16::from_le_bytes(array(rest)?);
    let mut number = || Some(u64::from_le_bytes(array(rest)?));
    let (stored, age, lifetime) = (number()?, number()?, number()?);
    let (vary, headers) = (pairs(rest)?, pairs(rest)?);
    Some(Entry { way, key, vary, status, headers, stored, age, lifetime, digest })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*array)
}

fn pairs(rest: &mut &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let count = u32::from_le_bytes(array(rest)?);
    let mut text = || {
        let size = usize::try_from(u32::from_le_bytes(array(rest)?)).ok()?;
        let (text, others) = rest.split_at_checked(size)?;
        *rest = others;
        Some(text.to_vec())
    };
    (0..count).map(|_| Some((text()?, text()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(way: u8, stored: u64, lifetime: u64) -> Entry {
        Entry {
            way,
            key: [way; 32],
            vary: vec![(b"accept".to_vec(), b"x".to_vec())],
            headers: vec![(b"a".to_vec(), Vec::new()), (b"b".to_vec(), vec![0, 255])],
            status: 200,
            stored,
            lifetime,
            age: 3,
            digest: [9; 16],
        }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        let entries = [some(0, 1, 2), some(3, u64::MAX, 0)];
        let bytes = encode(&entries);
        assert_eq!(decode(&bytes), entries);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).len() < 2);
        }
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] = 0xff;
            assert!(decode(&changed).len() <= 2);
        }
    }

    #[test]
    fn a_response_with_its_body_is_read_as_it_was_written() {
        let entry = some(0, 1, 2);
        for body in [&b""[..], b"body"] {
            let bytes = pack(&entry, body);
            assert_eq!(unpack(&bytes), Some((entry.clone(), body.to_vec())));
            for index in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[index] ^= 1;
                assert_eq!(unpack(&changed), None, "{index}");
                assert_eq!(unpack(&bytes[..index]), None, "{index}");
            }
        }
        let index = entry.index();
        assert_eq!(unpack(&pack(&index, b"")), Some((index.clone(), Vec::new())));
        assert!(index.is_index() && !entry.is_index());
        assert_eq!(index.vary, [(b"accept".to_vec(), Vec::new())]);
    }

    #[test]
    fn a_new_response_replaces_its_predecessor_or_a_stale_or_the_oldest_one() {
        let second = 1_000_000_000;
        let all: Vec<Entry> = (0..4).map(|way| some(way, (10 - u64::from(way)) * second, 100)).collect();
        let new = some(9, 0, 0);
        assert_eq!(place(&[], &new, 4, 11 * second), 0);
        assert_eq!(place(&all[..2], &new, 4, 11 * second), 2);
        assert_eq!(place(&all, &new, 4, 11 * second), 3, "the oldest");
        assert_eq!(place(&all, &new, 2, 11 * second), 1, "the oldest of a small store");
        assert_eq!(place(&all, &all[1].clone(), 4, 11 * second), 1, "the same");
        let mut stale = all.clone();
        stale[2].lifetime = 1;
        assert_eq!(place(&stale, &new, 4, 11 * second), 2, "a stale one");
    }

    #[test]
    fn a_response_ages() {
        let entry = some(0, 5_000_000_000, 10);
        assert_eq!(entry.age_at(5_999_999_999), 3);
        assert_eq!(entry.age_at(0), 3, "the clock was set back");
        assert!(entry.is_fresh_at(11_900_000_000) && !entry.is_fresh_at(12_000_000_000));
    }
}
