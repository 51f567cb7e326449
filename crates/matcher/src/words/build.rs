//! Building tables of words: at build time for built-in words, and when a configuration is loaded for its own words.

use std::ops::Range;

use super::characters::fold_simply;
use super::format::{
    HEADER, INNER, MAGIC, MAX_RECORD_BYTES, MAX_SLOTS, RECORD_SHIFT, first_slot, hash, hash_four, packed,
    slot_key,
};
use super::{Categories, MAX_WORD_CHARS, WordError};
use crate::case::Folding;

/// Creates the tables of a [`Dictionary`](super::Dictionary) from the name and the words of each category.
///
/// The result is deterministic. A plug-in's `build.rs` writes it into a file that the plug-in includes:
///
/// ```no_run
/// # use std::{env, fs, path::Path};
/// let text = fs::read_to_string("words/drugs.txt")?;
/// let drugs: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
/// let tables = matcher::words::tables(&[("drugs", &drugs)])?;
/// fs::write(Path::new(&env::var("OUT_DIR")?).join("words.tables"), tables)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tables(categories: &[(&str, &[&str])]) -> Result<Vec<u8>, WordError> {
    if categories.len() > Categories::MAX {
        return Err(WordError::Categories);
    }
    let mut builder = Builder::default();
    for (index, (_, words)) in categories.iter().enumerate() {
        builder = builder.add(words, Categories::numbered(index))?;
    }
    let names: Vec<&str> = categories.iter().map(|(name, _)| *name).collect();
    builder.finish(&names)
}

/// Words that are added to tables.
#[derive(Default)]
pub(super) struct Builder {
    folding: Folding,
    words: Vec<(String, Categories)>,
}

/// A prefix with a slot.
struct Node {
    /// The position of the previous node, from 1.
    before: usize,
    last: char,
    /// The number of its record, from 1.
    record: usize,
}

impl Builder {
    pub(super) fn add<S: AsRef<str>>(mut self, words: &[S], to: Categories) -> Result<Self, WordError> {
        for (index, word) in words.iter().enumerate() {
            let word = word.as_ref().trim();
            match word.chars().count() {
                0 => return Err(WordError::Empty { index }),
                1..=MAX_WORD_CHARS => {}
                _ => return Err(WordError::TooLong { index }),
            }
            let fold = |c| match fold_simply(c) {
                // Most characters have no other spellings.
                Some(folded) if !matches!(folded, 'k' | 's') => folded,
                simple => self.folding.learn_char(simple.unwrap_or(c)),
            };
            self.words.push((word.chars().map(fold).collect(), to));
        }
        Ok(self)
    }

    pub(super) fn finish(mut self, names: &[&str]) -> Result<Vec<u8>, WordError> {
        self.words.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.words.dedup_by(|(again, more), (word, categories)| {
            let same = again == word;
            if same {
                *categories = categories.and(*more);
            }
            same
        });
        let (nodes, records) = nodes(&self.words);
        let (home_slots, slots) = slots(&nodes)?;
        if records.len() > MAX_RECORD_BYTES {
            return Err(WordError::TooMany);
        }
        let begin = beginnings(&self.words);
        let names = write_names(names)?;
        let folds: Vec<(char, char)> = self.folding.pairs().collect();

        let (singles, slots_len) = (usize::from(begin.singles), slots.len());
        let lengths =
            [names.len(), folds.len(), begin.filter_bits, slots_len, records.len(), singles, home_slots];
        let mut tables = Vec::with_capacity(HEADER + begin.filter.len() + slots.len() * 8 + records.len());
        tables.extend_from_slice(&MAGIC.to_le_bytes());
        for length in lengths {
            let length = u32::try_from(length).map_err(|_| WordError::TooMany)?;
            tables.extend_from_slice(&length.to_le_bytes());
        }
        tables.extend_from_slice(&begin.ascii.to_le_bytes());
        tables.extend_from_slice(&begin.short.to_le_bytes());
        tables.extend_from_slice(&names);
        for (from, to) in folds {
            tables.extend_from_slice(&u32::from(from).to_le_bytes());
            tables.extend_from_slice(&u32::from(to).to_le_bytes());
        }
        tables.extend_from_slice(&begin.filter);
        tables.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
        tables.extend_from_slice(&records);
        Ok(tables)
    }
}

fn write_names(names: &[&str]) -> Result<Vec<u8>, WordError> {
    let mut bytes = Vec::new();
    for name in names {
        match u8::try_from(name.len()) {
            Ok(length @ 1..) => bytes.push(length),
            _ => return Err(WordError::Categories),
        }
        bytes.extend_from_slice(name.as_bytes());
    }
    Ok(bytes)
}

/// Returns the nodes of sorted words, each after its previous node, and the records.
fn nodes(words: &[(String, Categories)]) -> (Vec<Node>, Vec<u8>) {
    struct Group {
        words: Range<usize>,
        /// The length of their common prefix in bytes.
        depth: usize,
        node: usize,
    }
    let mut nodes: Vec<Node> = Vec::new();
    let mut records = Vec::new();
    let mut groups = vec![Group { words: 0..words.len(), depth: 0, node: 0 }];
    while let Some(group) = groups.pop() {
        let after = |index: usize| {
            let (word, _) = words.get(index)?;
            word.get(group.depth..)?.chars().next()
        };
        let mut next = group.words.start;
        while next < group.words.end {
            let start = next;
            next += 1;
            // The first word of a group may be the prefix itself, with a record of its own.
            let Some(last) = after(start) else {
                continue;
            };
            while next < group.words.end && after(next) == Some(last) {
                next += 1;
            }
            let depth = group.depth + last.len_utf8();
            let mut record = 0;
            if let Some((word, categories)) = words.get(start) {
                let rest = word.get(depth..).unwrap_or_default();
                let alone = next == start + 1;
                if alone || rest.is_empty() {
                    record = records.len() + 1;
                    let length = u16::try_from(rest.len()).unwrap_or(INNER);
                    records.extend_from_slice(&categories.0.to_le_bytes());
                    records.extend_from_slice(&if alone { length } else { INNER }.to_le_bytes());
                    records.extend_from_slice(rest.as_bytes());
                }
                nodes.push(Node { before: group.node, last, record });
                if !alone {
                    groups.push(Group { words: start..next, depth, node: nodes.len() });
                }
            }
        }
    }
    (nodes, records)
}

/// Returns the slots of all nodes, and the number of those that hashes select.
fn slots(nodes: &[Node]) -> Result<(usize, Vec<u64>), WordError> {
    // With two thirds of the slots used, a lookup takes about two steps.
    let wanted = nodes.len() + nodes.len() / 2;
    let mut slots = vec![0u64; wanted];
    let mut names = Vec::with_capacity(nodes.len());
    for node in nodes {
        let before = node.before.checked_sub(1).and_then(|at| names.get(at)).copied().unwrap_or(0u32);
        let mut at = first_slot(hash(before, node.last.into()), wanted);
        while slots.get(at).is_some_and(|slot| *slot != 0) {
            at += 1;
        }
        if at == slots.len() {
            slots.push(0);
        }
        if let Some(slot) = slots.get_mut(at) {
            *slot = slot_key(before, node.last) | (node.record as u64) << RECORD_SHIFT;
        }
        names.push(u32::try_from(at + 1).map_err(|_| WordError::TooMany)?);
    }
    if slots.len() > MAX_SLOTS {
        return Err(WordError::TooMany);
    }
    Ok((wanted, slots))
}

/// The filter of the beginnings of words.
#[derive(Default)]
struct Beginnings {
    filter: Vec<u8>,
    /// The logarithm of the number of bits.
    filter_bits: usize,
    /// True if there are words of one character.
    singles: bool,
    /// A bit for each ASCII character with which words begin.
    ascii: u128,
    /// The same for words that begin with fewer than four ASCII characters.
    short: u128,
}

fn beginnings(words: &[(String, Categories)]) -> Beginnings {
    let mut found = Beginnings::default();
    let mut hashes: Vec<u32> = Vec::new();
    for (word, _) in words {
        let mut chars = word.chars();
        let (Some(first), second) = (chars.next(), chars.next()) else {
            continue;
        };
        found.singles |= second.is_none();
        let bit = 1u128.checked_shl(first.into()).unwrap_or(0);
        found.ascii |= bit;
        let hash = match word.as_bytes().first_chunk() {
            Some(four) if four.is_ascii() => hash_four(u32::from_le_bytes(*four)),
            _ => {
                found.short |= bit;
                hash(packed(first), second.map_or(0, packed))
            }
        };
        // Equal beginnings are adjacent in sorted words.
        if hashes.last() != Some(&hash) {
            hashes.push(hash);
        }
    }
    // At most one bit in sixteen is set.
    let bits = (hashes.len() * 16).next_power_of_two().clamp(64, 1 << 24).trailing_zeros();
    found.filter_bits = bits as usize;
    found.filter = vec![0; 1 << (bits - 3)];
    for hash in hashes {
        let bit = hash >> (32 - bits);
        if let Some(byte) = found.filter.get_mut(bit as usize / 8) {
            *byte |= 1 << (bit & 7);
        }
    }
    found
}
