//! A hash table from byte strings to numbers.
//!
//! It is not a `HashMap`, whose default hasher imports `random_get` and is slow in wasm, and because looking up all prefixes of
//! a text needs an incremental hash. Keys come from the configuration, which is trusted, so requests cannot cause
//! collisions.

/// An incremental hash of a text.
#[derive(Clone, Copy)]
pub struct Hash(u64);

impl Hash {
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    #[inline]
    pub fn push(self, byte: u8) -> Self {
        // The odd multiplier of Fibonacci hashing: the high bits, which select the slot, depend on every byte.
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::EMPTY, |hash, &byte| hash.push(byte))
    }
}

/// Keys with numbers, in the order of insertion.
#[derive(Default)]
pub struct Table {
    /// Open addressing: 0 is free, n is `entries[n - 1]`. The length is a power of two, and at most half of the slots are used.
    slots: Vec<u32>,
    entries: Vec<Entry>,
}

struct Entry {
    hash: u64,
    key: Box<[u8]>,
    numbers: Vec<u32>,
}

impl Table {
    /// Adds `number` to `key`. The caller computes `hash`.
    pub fn add(&mut self, hash: Hash, key: &[u8], number: u32) {
        if let Some(entry) = self.position(hash, key).and_then(|at| self.entries.get_mut(at)) {
            // Duplicate values of a rule are one entry.
            if entry.numbers.last() != Some(&number) {
                entry.numbers.push(number);
            }
            return;
        }
        self.entries.push(Entry { hash: hash.0, key: key.into(), numbers: vec![number] });
        if self.entries.len() * 2 > self.slots.len() {
            self.slots = vec![0; (self.entries.len() * 2).next_power_of_two().max(4)];
            (1..).zip(&self.entries).for_each(|(name, entry)| occupy(&mut self.slots, entry.hash, name));
        } else {
            occupy(&mut self.slots, hash.0, u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the numbers of `key`.
    #[inline]
    pub fn get(&self, hash: Hash, key: &[u8]) -> &[u32] {
        let entry = self.position(hash, key).and_then(|at| self.entries.get(at));
        entry.map(|entry| entry.numbers.as_slice()).unwrap_or_default()
    }

    #[inline]
    fn position(&self, hash: Hash, key: &[u8]) -> Option<usize> {
        for slot in probes(hash.0, self.slots.len()) {
            let at = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            let entry = self.entries.get(at)?;
            if entry.hash == hash.0 && *entry.key == *key {
                return Some(at);
            }
        }
        None
    }
}

/// Returns the slots for a hash, in order.
#[inline]
fn probes(hash: u64, slots: usize) -> impl Iterator<Item = usize> {
    let mask = slots.wrapping_sub(1);
    let first = (hash >> 32) as usize;
    (0..slots).map(move |step| first.wrapping_add(step) & mask)
}

fn occupy(slots: &mut [u32], hash: u64, name: u32) {
    for at in probes(hash, slots.len()) {
        if let Some(slot) = slots.get_mut(at).filter(|slot| **slot == 0) {
            *slot = name;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_keeps_its_numbers() {
        let mut table = Table::default();
        assert!(table.get(Hash::of(b"x"), b"x").is_empty());
        for number in 0..5_000u32 {
            let key = (number % 1_000).to_string();
            table.add(Hash::of(key.as_bytes()), key.as_bytes(), number);
        }
        for number in 0..1_000u32 {
            let key = number.to_string();
            let expected: Vec<u32> = (0..5).map(|round| number + 1_000 * round).collect();
            assert_eq!(table.get(Hash::of(key.as_bytes()), key.as_bytes()), expected);
        }
        assert!(table.get(Hash::of(b"1000"), b"1000").is_empty());
        assert!(table.get(Hash::of(b""), b"").is_empty());
    }

    #[test]
    fn equal_hashes_do_not_mix_keys() {
        let mut table = Table::default();
        table.add(Hash::EMPTY, b"a", 1);
        table.add(Hash::EMPTY, b"b", 2);
        assert_eq!(table.get(Hash::EMPTY, b"a"), [1]);
        assert_eq!(table.get(Hash::EMPTY, b"b"), [2]);
        assert!(table.get(Hash::EMPTY, b"c").is_empty());
    }
}
