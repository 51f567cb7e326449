//! The values of a transaction, each stored once, with the results of their transformations.

use std::hash::{BuildHasher, RandomState};

use seclang::{ByteSet, Transformation};

use crate::transform;

/// A stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(u32);

/// All values of a transaction. Those of a rule set are cloned for each.
#[derive(Clone, Default)]
pub(crate) struct Values {
    /// All of them, one after the other.
    text: Vec<u8>,
    entries: Vec<Entry>,
    ids: Index,
    hasher: RandomState,
    /// The transformations that were applied: which, to what, with which result.
    results: Vec<(Transformation, ValueId, ValueId)>,
    result_ids: Index,
    /// By value: the last rule that compared it without a match.
    compared: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    start: usize,
    len: usize,
    bytes: ByteSet,
}

/// The bytes that can make a transformation change a value, by transformation; `None` if any value can change.
pub(crate) struct Triggers(Vec<Option<ByteSet>>);

impl Triggers {
    /// Without `filters`, every transformation is attempted.
    pub(crate) fn new(filters: bool) -> Self {
        let triggers = Transformation::ALL.iter().map(|transformation| transform::triggers(*transformation));
        Self(triggers.map(|triggers| triggers.filter(|_| filters)).collect())
    }

    /// Returns false if a transformation cannot change a value with these bytes.
    fn may_change(&self, transformation: Transformation, bytes: &ByteSet) -> bool {
        self.0.get(transformation as usize).copied().flatten().is_none_or(|triggers| triggers.intersects(bytes))
    }
}

impl Values {
    pub(crate) fn add(&mut self, value: &[u8]) -> ValueId {
        let hash = self.hash(value);
        let known = self.ids.find(hash, |id| self.get(ValueId(id)) == value);
        if let Some(id) = known {
            return ValueId(id);
        }
        let id = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry { start: self.text.len(), len: value.len(), bytes: ByteSet::of(value) });
        self.text.extend_from_slice(value);
        self.ids.insert(hash, id);
        ValueId(id)
    }

    fn hash(&self, value: &[u8]) -> u32 {
        let [a, b, c, d, ..] = self.hasher.hash_one(value).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn entry(&self, id: ValueId) -> Entry {
        self.entries.get(id.index()).copied().unwrap_or_default()
    }

    pub(crate) fn get(&self, id: ValueId) -> &[u8] {
        let entry = self.entries.get(id.index());
        entry.and_then(|entry| self.text.get(entry.start..entry.start + entry.len)).unwrap_or_default()
    }

    /// Returns the bytes that occur in a value.
    pub(crate) fn bytes_of(&self, id: ValueId) -> ByteSet {
        self.entry(id).bytes
    }

    /// Returns the result of a list of transformations.
    pub(crate) fn transformed(
        &mut self,
        triggers: &Triggers,
        pipeline: &[Transformation],
        id: ValueId,
    ) -> ValueId {
        pipeline.iter().fold(id, |id, transformation| self.step(triggers, *transformation, id))
    }

    /// Returns the result of a transformation.
    pub(crate) fn step(
        &mut self,
        triggers: &Triggers,
        transformation: Transformation,
        id: ValueId,
    ) -> ValueId {
        let entry = self.entries.get(id.index());
        if entry.is_none_or(|entry| !triggers.may_change(transformation, &entry.bytes)) {
            return id;
        }
        let hash = (id.0.wrapping_mul(64) + transformation as u32).wrapping_mul(0x9e37_79b1);
        let hash = hash ^ hash >> 15;
        let is_same = |at: u32| {
            let known = usize::try_from(at).ok().and_then(|at| self.results.get(at));
            known.is_some_and(|(known, value, _)| *known == transformation && *value == id)
        };
        let known = self.result_ids.find(hash, is_same);
        if let Some((.., result)) = known.and_then(|at| self.results.get(usize::try_from(at).ok()?)) {
            return *result;
        }
        let result = match transform::change(transformation, self.get(id)) {
            Some(changed) => self.add(&changed),
            None => id,
        };
        self.result_ids.insert(hash, u32::try_from(self.results.len()).unwrap_or(u32::MAX));
        self.results.push((transformation, id, result));
        result
    }

    /// Returns true if [`Self::set_compared`] was called with the value for this rule.
    pub(crate) fn is_compared(&self, id: ValueId, rule: u32) -> bool {
        self.compared.get(id.index()) == Some(&rule)
    }

    /// Records that a rule does not match a value.
    pub(crate) fn set_compared(&mut self, id: ValueId, rule: u32) {
        if self.compared.len() <= id.index() {
            self.compared.resize(self.entries.len().max(id.index() + 1), u32::MAX);
        }
        if let Some(slot) = self.compared.get_mut(id.index()) {
            *slot = rule;
        }
    }
}

impl ValueId {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A hash table from hashes to numbers below [`u32::MAX`]. At most half of it is used.
#[derive(Clone, Default)]
struct Index {
    /// Hashes, and numbers plus 1.
    slots: Vec<(u32, u32)>,
    used: usize,
}

impl Index {
    fn find(&self, hash: u32, is_same: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = usize::try_from(hash).unwrap_or_default() & mask;
        loop {
            let (known, number) = *self.slots.get(at)?;
            let number = number.checked_sub(1)?;
            if known == hash && is_same(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    fn insert(&mut self, hash: u32, number: u32) {
        if self.slots.len() <= self.used * 2 {
            let slots = vec![(0, 0); (self.slots.len() * 2).max(64)];
            let old = std::mem::replace(&mut self.slots, slots);
            for (hash, number) in old.into_iter().filter(|(_, number)| *number > 0) {
                self.put(hash, number);
            }
        }
        self.used += 1;
        self.put(hash, number.saturating_add(1));
    }

    fn put(&mut self, hash: u32, number: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = usize::try_from(hash).unwrap_or_default() & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.1 == 0 {
                *slot = (hash, number);
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stored_once() {
        let mut values = Values::default();
        let texts: Vec<String> = (0..500).map(|number| format!("value {number}")).collect();
        let ids: Vec<ValueId> = texts.iter().map(|text| values.add(text.as_bytes())).collect();
        for (id, text) in ids.iter().zip(&texts) {
            assert_eq!((values.add(text.as_bytes()), values.get(*id)), (*id, text.as_bytes()));
            assert_eq!(values.bytes_of(*id), ByteSet::of(text.as_bytes()));
        }
        assert_eq!(values.entries.len(), texts.len());
    }

    #[test]
    fn a_transformation_is_applied_once_to_a_value() {
        let mut values = Values::default();
        let triggers = Triggers::new(true);
        let pipeline = [Transformation::UrlDecode, Transformation::Lowercase, Transformation::Length];
        let id = values.add(b"%41Bc");
        let result = values.transformed(&triggers, &pipeline, id);
        assert_eq!(values.get(result), b"3");
        assert_eq!(values.transformed(&triggers, &pipeline, id), result);
        assert_eq!(values.results.len(), 3);
        // Nothing in it can be decoded, and `length` changes every value.
        let plain = values.add(b"abc");
        let length = values.transformed(&triggers, &pipeline, plain);
        assert_eq!((length, values.results.len()), (result, 3));
    }
}
