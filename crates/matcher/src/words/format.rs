//! The tables: what stands where in their bytes.
//!
//! ```text
//! head      8 × u32, little-endian as everything: MAGIC, bytes of names, folds, log2 of the filter's bits,
//!           slots, bytes of records, whether there are words of one character, slots
//!           that hashes choose from: the rest is for what did not find a free one there
//!           and two u128 with a bit for each character of ASCII: those that words begin with, and those
//!           that words with fewer than four of ASCII begin with
//! names     of each category: its length, one byte, and its UTF-8
//! folds     of each character outside ASCII that folds to another one: it and the other, u32, in ascending order
//! filter    a bit for the hash of each word's beginning: of the first four characters if they are ASCII, which has
//!           few pairs and many words to each, of two otherwise
//! slots     u64 each: an open-addressed hash table of the words' prefixes, from (prefix, character) to the longer one
//! records   of each prefix that is a word, or of only one word: categories, u16; what is missing to the word: its
//!           length, u16, and UTF-8, or [`INNER`] if nothing is missing and there are longer words
//! ```
//!
//! A prefix is known by the number of its slot, from 1 on; 0 is the empty one. A prefix of several words has a
//! slot for each character that follows; a prefix of one word alone has none, and its record says the rest, so
//! that there are hardly more slots than words.

use super::Categories;
use super::characters::fold_simply;

pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"PWT1");
pub(super) const HEAD: usize = 64;
/// In a record: longer words may follow.
pub(super) const INNER: u16 = u16::MAX;

/// A slot's fields: a character plus one, 21 bits; the prefix before it, 20; its record plus one, 23.
pub(super) const PREFIX_SHIFT: u32 = 21;
pub(super) const RECORD_SHIFT: u32 = 41;
pub(super) const MAX_SLOTS: usize = (1 << 20) - 1;
pub(super) const MAX_RECORD_BYTES: usize = (1 << 23) - 1;

/// Tables, taken apart.
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

/// What is known of a prefix that is a word, or of one word only.
pub(super) struct Record<'a> {
    pub(super) categories: Categories,
    /// What of the word is missing, in UTF-8.
    pub(super) rest: &'a [u8],
    /// Whether longer words begin with the prefix.
    pub(super) inner: bool,
}

/// The hash of a pair: of a prefix and a character, or of two characters.
#[inline]
pub(super) fn hash(one: u32, other: u32) -> u32 {
    // The two odd constants of the golden ratio and of xxHash: the high bits, which are used, depend on all.
    (one.wrapping_mul(0x9e37_79b1).rotate_left(15) ^ other).wrapping_mul(0x85eb_ca77)
}

/// The hash of four characters of ASCII: that of a pair that no two characters are.
#[inline]
pub(super) fn hash_four(four: u32) -> u32 {
    hash(four, u32::MAX)
}

/// Whether the bit of a byte of ASCII is set.
#[inline]
fn bit(bits: [u64; 2], byte: u8) -> bool {
    let [low, high] = bits;
    (if byte < 64 { low } else { high }) >> (byte & 63) & 1 == 1
}

/// A character's UTF-8 as a number, which a search reads out of a text without decoding it.
#[inline]
pub(super) fn packed(c: char) -> u32 {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes);
    u32::from_le_bytes(bytes)
}

/// The slot where a hash's entry is looked for first.
#[inline]
pub(super) fn first_slot(hash: u32, slots: usize) -> usize {
    // A slot's number has 20 bits.
    ((u64::from(hash) * slots as u64) >> 32) as usize
}

/// What a slot says of which prefix it is.
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

    /// Whether a word may begin with these two characters, [`packed`]. Not for words that begin with four of ASCII.
    #[inline]
    pub(super) fn may_begin_with(&self, first: u32, second: u32) -> bool {
        self.has(hash(first, second)) || self.singles && self.has(hash(first, 0))
    }

    /// Whether a word may begin with these four folded characters of ASCII.
    #[inline]
    pub(super) fn may_begin_with_four(&self, four: [u8; 4]) -> bool {
        let [first, second, ..] = four;
        self.has(hash_four(u32::from_le_bytes(four)))
            || bit(self.short, first) && self.may_begin_with(first.into(), second.into())
    }

    /// Whether a word begins with this folded character of ASCII.
    #[inline]
    pub(super) fn begins_with(&self, first: u8) -> bool {
        bit(self.ascii, first)
    }

    #[inline]
    fn has(&self, hash: u32) -> bool {
        let bit = hash.checked_shr(self.filter_shift).unwrap_or(0);
        self.filter.get(bit as usize / 8).is_some_and(|byte| byte >> (bit & 7) & 1 == 1)
    }

    /// The prefix that is `c` longer, and its record if it has one.
    #[inline]
    pub(super) fn longer(&self, prefix: u32, c: char) -> Option<(u32, Option<Record<'a>>)> {
        let key = slot_key(prefix, c);
        let mut at = first_slot(hash(prefix, c.into()), self.home_slots);
        loop {
            // No probe wraps around: the builder adds slots at the end where it would.
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
