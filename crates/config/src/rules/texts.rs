//! An index of rules by exact texts, prefixes and suffixes.

use crate::host::{HostPattern, Shape};
use crate::table::{Hash, Table};

/// The values of an attribute by which rules are indexed.
#[derive(Default)]
pub(super) struct Texts {
    exact: Table,
    prefixes: Affixes,
    suffixes: Affixes,
    any: Vec<u32>,
}

/// Prefixes or suffixes. A text is looked up by each length that one of them has.
#[derive(Default)]
struct Affixes {
    table: Table,
    /// True at the lengths of affixes. There are few lengths, and each costs a probe.
    lengths: Vec<bool>,
}

impl Texts {
    pub(super) fn add_exact(&mut self, text: &[u8], rule: u32) {
        self.exact.add(Hash::of(text), text, rule);
    }

    pub(super) fn add_prefix(&mut self, prefix: &[u8], rule: u32) {
        self.prefixes.add(Hash::of(prefix), prefix, rule);
    }

    pub(super) fn add_host(&mut self, pattern: &HostPattern, rule: u32) {
        match &pattern.0 {
            Shape::Any if self.any.last() == Some(&rule) => {}
            Shape::Any => self.any.push(rule),
            Shape::Exact(host) => self.add_exact(host, rule),
            Shape::Prefix(prefix) => self.add_prefix(prefix, rule),
            Shape::Suffix(suffix) => {
                let hash = suffix.iter().rev().fold(Hash::EMPTY, |hash, &byte| hash.push(byte));
                self.suffixes.add(hash, suffix, rule);
            }
        }
    }

    /// Calls `found` with the rules of each value that matches `text`, in ascending order in each call.
    pub(super) fn find(&self, text: &[u8], found: &mut impl FnMut(&[u32])) {
        if !self.exact.is_empty() {
            found(self.exact.get(Hash::of(text), text));
        }
        self.prefixes.find(text.iter(), |length| text.get(..length), found);
        self.suffixes.find(text.iter().rev(), |length| text.get(text.len() - length..), found);
        found(&self.any);
    }
}

impl Affixes {
    fn add(&mut self, hash: Hash, affix: &[u8], rule: u32) {
        if self.lengths.len() <= affix.len() {
            self.lengths.resize(affix.len() + 1, false);
        }
        if let Some(length) = self.lengths.get_mut(affix.len()) {
            *length = true;
        }
        self.table.add(hash, affix, rule);
    }

    /// Looks up the part of each length, where `bytes` come in the order in which affixes are hashed.
    fn find<'a>(
        &self,
        mut bytes: impl Iterator<Item = &'a u8>,
        part: impl Fn(usize) -> Option<&'a [u8]>,
        found: &mut impl FnMut(&[u32]),
    ) {
        let mut hash = Hash::EMPTY;
        for (length, &exists) in self.lengths.iter().enumerate() {
            if exists && let Some(part) = part(length) {
                found(self.table.get(hash, part));
            }
            match bytes.next() {
                Some(&byte) => hash = hash.push(byte),
                None => return,
            }
        }
    }
}
