//! The format of tables.
//!
//! ```text
//! header    8 × u32, little-endian like all numbers: MAGIC, size of names, number of folds, log2 of the bits of the
//!           filter, number of slots, size of records, 1 if there are words of one character, number of slots that
//!           hashes select (the others are for entries that did not find a free slot), and two u128 with a bit for each
//!           ASCII character: those with which words begin, and those with which words with fewer than four ASCII
//!           characters begin
//! names     of each category: length, one byte, and UTF-8
//! folds     each character outside ASCII that folds to another one, and the other one: u32, in ascending order
//! filter    a bit for the hash of the beginning of each word: of the first four characters if they are ASCII, which
//!           has few pairs with many words each, and otherwise of two
//! slots     u64 each: an open-addressed hash table of prefixes, from (prefix, character) to the longer prefix
//! records   of each prefix that is a word, or that belongs to one word only: categories, u16; the rest of the word:
//!           length, u16, and UTF-8, or [`INNER`] if it is complete and there are longer words
//! ```
//!
//! A prefix is identified by the number of its slot, from 1; 0 is the empty prefix. A prefix of several words has a slot for
//! each following character. A prefix of one word has none, and its record contains the rest of the word, so there are hardly
//! more slots than words.

use super::Categories;
use super::characters::fold_simply;

pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"PWT1");
pub(super) const HEADER: usize = 64;
/// In a record: longer words may follow.
pub(super) const INNER: u16 = u16::MAX;

/// The fields of a slot: a character plus one, 21 bits; the previous prefix, 20; its record plus one, 23.
pub(super) const PREFIX_SHIFT: u32 = 21;
pub(super) const RECORD_SHIFT: u32 = 41;
pub(super) const MAX_SLOTS: usize = (1 << 20) - 1;
pub(super) const MAX_RECORD_BYTES: usize = (1 << 23) - 1;

/// The parts of tables.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    names: &'a [u8],
    folds: &'a [[u8; 8]],
    filter: &'a [u8],
    filter_shift: u32,
    slots: &'a [[u8; 8]],
    home_slots: usize,
    records: &'a [u8],
    singles: bool,
    ascii: [u64; 2],
    short: [u64; 2],
}

/// The record of a prefix that is a word, or that belongs to one word only.
pub(super) struct Record<'a> {
    pub(super) categories: Categories,
    /// The rest of the word, in UTF-8.
    pub(super) rest: &'a [u8],
    /// True if longer words begin with the prefix.
    pub(super) inner: bool,
}

/// Returns the hash of a pair: a prefix and a character, or two characters.
#[inline]
pub(super) fn hash(one: u32, other: u32) -> u32 {
    // The odd constants of the golden ratio and of xxHash: the high bits, which are used, depend on all bits.
    (one.wrapping_mul(0x9e37_79b1).rotate_left(15) ^ other).wrapping_mul(0x85eb_ca77)
}

/// Returns the hash of four ASCII characters, as a pair that does not occur otherwise.
#[inline]
pub(super) fn hash_four(four: u32) -> u32 {
    hash(four, u32::MAX)
}

/// Returns true if the bit of an ASCII byte is set.
#[inline]
fn bit(bits: [u64; 2], byte: u8) -> bool {
    let [low, high] = bits;
    (if byte < 64 { low } else { high }) >> (byte & 63) & 1 == 1
}

/// Returns the UTF-8 of a character as a number, which a search reads from a text without decoding it.
#[inline]
pub(super) fn packed(c: char) -> u32 {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes);
    u32::from_le_bytes(bytes)
}

/// Returns the first slot for a hash.
#[inline]
pub(super) fn first_slot(hash: u32, slots: usize) -> usize {
    // The number of a slot has 20 bits.
    ((u64::from(hash) * slots as u64) >> 32) as usize
}

/// Returns the key of a slot.
#[inline]
pub(super) fn slot_key(prefix: u32, c: char) -> u64 {
    u64::from(prefix) << PREFIX_SHIFT | u64::from(u32::from(c) + 1)
}

impl<'a> Tables<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(32)?;
        let mut fields = head.as_chunks().0.iter().map(|field| u32::from_le_bytes(*field));
        let mut field = || fields.next();
        if field()? != MAGIC {
            return None;
        }
        let (eights, rest) = rest.split_at_checked(32)?;
        let mut eights = eights.as_chunks().0.iter().map(|eight| u64::from_le_bytes(*eight));
        let mut pair = || Some([eights.next()?, eights.next()?]);
        let (names, rest) = rest.split_at_checked(field()? as usize)?;
        let (folds, rest) = rest.split_at_checked((field()? as usize).checked_mul(8)?)?;
        let filter_bits = field()?;
        let filter_shift = 32u32.checked_sub(filter_bits)?;
        let (filter, rest) = rest.split_at_checked(1usize.checked_shl(filter_bits.checked_sub(3)?)?)?;
        let (slots, rest) = rest.split_at_checked((field()? as usize).checked_mul(8)?)?;
        let (records, _) = rest.split_at_checked(field()? as usize)?;
        Some(Self {
            names,
            folds: folds.as_chunks().0,
            filter,
            filter_shift,
            slots: slots.as_chunks().0,
            records,
            singles: field()? != 0,
            home_slots: field()? as usize,
            ascii: pair()?,
            short: pair()?,
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.names;
        std::iter::from_fn(move || {
            let (&length, after) = rest.split_first()?;
            let (name, after) = after.split_at_checked(usize::from(length))?;
            rest = after;
            std::str::from_utf8(name).ok()
        })
    }

    #[inline]
    pub(super) fn fold(&self, c: char) -> char {
        fold_simply(c).unwrap_or_else(|| self.look_up_fold(c))
    }

    fn look_up_fold(&self, c: char) -> char {
        let entry = |bytes: &[u8; 8]| {
            let both = u64::from_le_bytes(*bytes);
            (both as u32, (both >> 32) as u32)
        };
        let found = self.folds.binary_search_by_key(&u32::from(c), |bytes| entry(bytes).0);
        let folded = found.ok().and_then(|at| self.folds.get(at)).map(|bytes| entry(bytes).1);
        folded.and_then(char::from_u32).unwrap_or(c)
    }

    /// Returns true if a word may begin with these two characters, [`packed`]. Not for words that begin with four ASCII
    /// characters.
    #[inline]
    pub(super) fn may_begin_with(&self, first: u32, second: u32) -> bool {
        self.has(hash(first, second)) || self.singles && self.has(hash(first, 0))
    }

    /// Returns true if a word may begin with these four folded ASCII characters.
    #[inline]
    pub(super) fn may_begin_with_four(&self, four: [u8; 4]) -> bool {
        let [first, second, ..] = four;
        self.has(hash_four(u32::from_le_bytes(four)))
            || bit(self.short, first) && self.may_begin_with(first.into(), second.into())
    }

    /// Returns true if a word begins with this folded ASCII character.
    #[inline]
    pub(super) fn begins_with(&self, first: u8) -> bool {
        bit(self.ascii, first)
    }

    #[inline]
    fn has(&self, hash: u32) -> bool {
        let bit = hash.checked_shr(self.filter_shift).unwrap_or(0);
        self.filter.get(bit as usize / 8).is_some_and(|byte| byte >> (bit & 7) & 1 == 1)
    }

    /// Returns the prefix that is longer by `c`, and its record if it has one.
    #[inline]
    pub(super) fn longer(&self, prefix: u32, c: char) -> Option<(u32, Option<Record<'a>>)> {
        let key = slot_key(prefix, c);
        let mut at = first_slot(hash(prefix, c.into()), self.home_slots);
        loop {
            // Probes do not wrap around: the builder adds slots at the end instead.
            let slot = u64::from_le_bytes(*self.slots.get(at)?);
            if slot == 0 {
                return None;
            }
            at += 1;
            if slot & ((1 << RECORD_SHIFT) - 1) == key {
                let record = ((slot >> RECORD_SHIFT) as usize).checked_sub(1);
                return Some((at as u32, record.and_then(|at| self.record(at))));
            }
        }
    }

    fn record(&self, at: usize) -> Option<Record<'a>> {
        let (&[a, b, c, d], rest) = self.records.get(at..)?.split_first_chunk()?;
        let length = u16::from_le_bytes([c, d]);
        let inner = length == INNER;
        let rest = rest.get(..if inner { 0 } else { usize::from(length) })?;
        Some(Record { categories: Categories(u16::from_le_bytes([a, b])), rest, inner })
    }
}
