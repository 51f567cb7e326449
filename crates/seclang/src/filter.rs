//! Conditions that every match of an operator fulfils, and that are cheaper to check than the operator.

use serde::{Deserialize, Serialize};

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(from = "[u8; 32]", into = "[u8; 32]")]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set of all bytes.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Returns the set of the bytes of a value.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let mut set = Self::default();
        for byte in value {
            set.insert(*byte);
        }
        set
    }

    /// Adds a byte.
    pub fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    /// Returns true if the byte is in the set.
    #[must_use]
    pub fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    /// Returns true if a byte is in both sets.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (a & e) | (b & f) | (c & g) | (d & h) != 0
    }

    /// Returns true if every byte of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.union(other) == *other
    }

    /// Returns the bytes of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    /// Returns its bytes in order.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|byte| self.contains(*byte))
    }

    /// Returns a measure of how many ordinary values contain a byte of the set: less is better for a filter.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.bytes().map(weight).sum()
    }
}

impl From<[u8; 32]> for ByteSet {
    fn from(bytes: [u8; 32]) -> Self {
        let mut set = Self::default();
        let (words, _) = bytes.as_chunks::<8>();
        for (word, bytes) in set.0.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        set
    }
}

impl From<ByteSet> for [u8; 32] {
    fn from(set: ByteSet) -> Self {
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (bytes, word) in words.iter_mut().zip(set.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

/// How often a byte occurs in ordinary values.
fn weight(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 16,
        b'd' | b'h' | b'l' | b'u' | b'c' | b'm' | b'p' => 12,
        b'a'..=b'z' => 7,
        b'0' | b'1' | b'2' => 10,
        b'0'..=b'9' => 6,
        b'-' | b'.' | b'/' | b'_' | b' ' => 8,
        b'A'..=b'Z' => 3,
        b',' | b':' | b';' | b'=' | b'(' | b')' => 4,
        0x80.. => 1,
        _ => 2,
    }
}

/// What every value that an operator matches has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Filter {
    /// It has at least this length.
    pub min_len: u32,
    /// It contains at least one byte of each of these sets.
    pub sets: Vec<ByteSet>,
}

/// The sets that a filter keeps: more of them cost more than they save.
const MAX_SETS: usize = 8;

impl Filter {
    /// Creates a filter. Of the sets, those are kept that fewest values pass.
    #[must_use]
    pub fn new(min_len: usize, sets: Vec<ByteSet>) -> Self {
        Self { min_len: u32::try_from(min_len).unwrap_or(u32::MAX), sets: best(sets) }
    }

    /// Returns the filter of phrases, of which a value must contain one. They are in lower case, and case does not matter.
    #[must_use]
    pub fn of_phrases<'a>(phrases: impl Iterator<Item = &'a str>) -> Self {
        let phrases: Vec<&str> = phrases.collect();
        let min_len = phrases.iter().map(|phrase| phrase.len()).min().unwrap_or_default();
        if min_len == 0 {
            // The empty phrase is in every value.
            return Self::default();
        }
        let sets: Vec<ByteSet> = phrases.iter().map(|phrase| ByteSet::of(phrase.as_bytes())).collect();
        let first = cover(&sets, &ByteSet::default());
        let second = cover(&sets, &first);
        Self::new(min_len, vec![without_case(&first), without_case(&second)])
    }

    /// Returns false if no value with this length and these bytes can match.
    #[must_use]
    pub fn passes(&self, len: usize, bytes: &ByteSet) -> bool {
        usize::try_from(self.min_len).is_ok_and(|min_len| len >= min_len)
            && self.sets.iter().all(|set| set.intersects(bytes))
    }
}

/// Returns a small set of bytes of which each of the sets has at least one. It avoids some bytes where this is possible.
fn cover(sets: &[ByteSet], avoid: &ByteSet) -> ByteSet {
    let mut cover = ByteSet::default();
    let mut rest: Vec<&ByteSet> = sets.iter().collect();
    while !rest.is_empty() {
        let mut counts = [0u64; 256];
        for byte in rest.iter().flat_map(|set| set.bytes()) {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += 1;
            }
        }
        let value = |(byte, count): &(u8, u64)| {
            let penalty = if avoid.contains(*byte) { 1000 } else { 1 };
            count * 1_000_000 / (u64::from(weight(*byte)) * penalty)
        };
        let counted = (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 0);
        let Some((byte, _)) = counted.max_by_key(value) else { return ByteSet::ALL };
        cover.insert(byte);
        rest.retain(|set| !set.contains(byte));
    }
    cover
}

fn without_case(set: &ByteSet) -> ByteSet {
    let mut both = *set;
    for byte in set.bytes() {
        both.insert(byte.to_ascii_uppercase());
    }
    both
}

/// Returns the sets that fewest values pass, the best first, without those that others imply.
fn best(mut sets: Vec<ByteSet>) -> Vec<ByteSet> {
    sets.sort_by_cached_key(|set| (set.weight(), *set));
    let mut best: Vec<ByteSet> = Vec::new();
    for set in sets {
        if set != ByteSet::ALL && best.len() < MAX_SETS && !best.iter().any(|other| other.is_subset(&set)) {
            best.push(set);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_encoded_as_bytes() {
        let set = ByteSet::of(b"\0a\xff");
        assert_eq!(set.bytes().collect::<Vec<_>>(), b"\0a\xff");
        assert_eq!(ByteSet::from(<[u8; 32]>::from(set)), set);
        assert!(set.intersects(&ByteSet::of(b"\xffb")) && !set.intersects(&ByteSet::of(b"bc")));
        assert!(ByteSet::of(b"a").is_subset(&set) && !set.is_subset(&ByteSet::of(b"a")));
    }

    #[test]
    fn sets_that_others_imply_are_dropped() {
        let filter =
            Filter::new(2, vec![ByteSet::of(b"ab"), ByteSet::ALL, ByteSet::of(b"a"), ByteSet::of(b"%")]);
        assert_eq!(filter.sets, [ByteSet::of(b"%"), ByteSet::of(b"a")]);
        assert!(filter.passes(2, &ByteSet::of(b"a%")));
        assert!(!filter.passes(1, &ByteSet::of(b"a%")) && !filter.passes(9, &ByteSet::of(b"%%x")));
        assert!(Filter::default().passes(0, &ByteSet::default()));
    }

    proptest::proptest! {
        /// A value with a phrase passes the filter of the phrases.
        #[test]
        fn a_value_with_a_phrase_passes(phrases in proptest::collection::vec("[a-e/. ]{0,4}", 1..9), at in 0..9usize, around in "[A-E]{0,3}") {
            let filter = Filter::of_phrases(phrases.iter().map(String::as_str));
            let phrase = phrases[at % phrases.len()].to_ascii_uppercase();
            let value = format!("{around}{phrase}{around}");
            proptest::prop_assert!(filter.passes(value.len(), &ByteSet::of(value.as_bytes())), "{filter:?} {value}");
        }
    }
}
