//! The values of a transaction, each stored once, with the results of their transformations.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use seclang::{ByteSet, Transformation};

use crate::grams::Grams;
use crate::transform;

/// The values whose sequences are kept: each has 8 KiB.
const MAX_GRAMS: usize = 64;

/// A stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(u32);

/// All values of a transaction. It begins with those of its rule set.
#[derive(Default)]
pub(crate) struct Values {
    /// All of them, one after the other.
    text: Vec<u8>,
    entries: Vec<Entry>,
    ids: Index,
    hasher: Hasher,
    /// The transformations that were applied: which, to what, with which result.
    results: Vec<(Transformation, ValueId, ValueId)>,
    result_ids: Index,
    /// By value: the last rule that compared it without a match.
    compared: Vec<u32>,
    /// The sequences of bytes in long values.
    grams: RefCell<Vec<(ValueId, Rc<Grams>)>>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    start: usize,
    len: usize,
    bytes: ByteSet,
}

/// The bytes that can make a transformation change a value, by transformation; `None` if any value can change.
pub(crate) struct Triggers(Vec<Option<ByteSet>>);

/// A list of transformations, with the bytes that can make any of them change a value.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pipeline<'a> {
    pub(crate) steps: &'a [Transformation],
    triggers: Option<ByteSet>,
}

impl Triggers {
    /// Without `filters`, every transformation is attempted.
    pub(crate) fn new(filters: bool) -> Self {
        let triggers = Transformation::ALL.iter().map(|transformation| transform::triggers(*transformation));
        Self(triggers.map(|triggers| triggers.filter(|_| filters)).collect())
    }

    /// Returns the bytes that can make one of several transformations change a value.
    pub(crate) fn of(&self, steps: &[Transformation]) -> Option<ByteSet> {
        steps
            .iter()
            .try_fold(ByteSet::default(), |all, step| Some(all.union(self.0.get(*step as usize)?.as_ref()?)))
    }

    /// Returns false if a transformation cannot change a value with these bytes.
    fn may_change(&self, transformation: Transformation, bytes: &ByteSet) -> bool {
        self.0
            .get(transformation as usize)
            .copied()
            .flatten()
            .is_none_or(|triggers| triggers.intersects(bytes))
    }
}

impl Values {
    /// Returns a copy with room for the values of a request.
    pub(crate) fn for_request(&self) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + (8 << 10));
        text.extend_from_slice(&self.text);
        let mut entries = Vec::with_capacity(self.entries.len() + 256);
        entries.extend_from_slice(&self.entries);
        Self {
            text,
            entries,
            ids: self.ids.clone(),
            hasher: self.hasher.clone(),
            results: Vec::with_capacity(128),
            result_ids: Index::with_capacity(128),
            compared: vec![u32::MAX; self.entries.len() + 256],
            grams: RefCell::default(),
        }
    }

    /// Makes room for values before copies are made.
    pub(crate) fn reserve(&mut self) {
        self.ids.grow((self.entries.len() + 256) * 2);
    }

    /// Returns a value that was added.
    pub(crate) fn find(&self, value: &[u8]) -> Option<ValueId> {
        self.find_hashed(value, self.hasher.hash(value))
    }

    fn find_hashed(&self, value: &[u8], hash: u32) -> Option<ValueId> {
        self.ids.find(hash, |id| self.get(ValueId(id)) == value).map(ValueId)
    }

    pub(crate) fn add(&mut self, value: &[u8]) -> ValueId {
        let hash = self.hasher.hash(value);
        if let Some(id) = self.find_hashed(value, hash) {
            return id;
        }
        let id = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry { start: self.text.len(), len: value.len(), bytes: ByteSet::of(value) });
        self.text.extend_from_slice(value);
        self.ids.insert(hash, id);
        ValueId(id)
    }

    pub(crate) fn get(&self, id: ValueId) -> &[u8] {
        let entry = self.entries.get(id.index());
        entry.and_then(|entry| self.text.get(entry.start..entry.start + entry.len)).unwrap_or_default()
    }

    /// Returns a value and the bytes that occur in it.
    pub(crate) fn get_with_bytes(&self, id: ValueId) -> (&[u8], &ByteSet) {
        match self.entries.get(id.index()) {
            Some(entry) => {
                (self.text.get(entry.start..entry.start + entry.len).unwrap_or_default(), &entry.bytes)
            }
            None => (&[], &ByteSet::ALL),
        }
    }

    /// Returns the sequences of bytes in a value.
    pub(crate) fn grams(&self, id: ValueId) -> Rc<Grams> {
        let mut grams = self.grams.borrow_mut();
        if let Some((_, known)) = grams.iter().find(|(known, _)| *known == id) {
            return Rc::clone(known);
        }
        let new = Rc::new(Grams::of(self.get(id)));
        if grams.len() >= MAX_GRAMS {
            grams.clear();
        }
        grams.push((id, Rc::clone(&new)));
        new
    }

    /// Returns the result of a list of transformations.
    pub(crate) fn transformed(
        &mut self,
        triggers: &Triggers,
        pipeline: &Pipeline<'_>,
        id: ValueId,
    ) -> ValueId {
        if self.entries.get(id.index()).is_some_and(|entry| !pipeline.may_change(&entry.bytes)) {
            return id;
        }
        pipeline.steps.iter().fold(id, |id, transformation| self.step(triggers, *transformation, id))
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

impl<'a> Pipeline<'a> {
    pub(crate) fn new(steps: &'a [Transformation], triggers: Option<ByteSet>) -> Self {
        Self { steps, triggers }
    }

    /// Returns false if no value with these bytes is changed.
    pub(crate) fn may_change(&self, bytes: &ByteSet) -> bool {
        self.triggers.is_none_or(|triggers| triggers.intersects(bytes))
    }
}

impl ValueId {
    /// The number of values that were added before it.
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A hash function with a key that no client knows, so that none can send many values with the same hash.
#[derive(Clone)]
struct Hasher(u64, u64);

impl Default for Hasher {
    fn default() -> Self {
        let random = RandomState::new();
        Self(random.hash_one(1u8), random.hash_one(2u8))
    }
}

impl Hasher {
    fn hash(&self, value: &[u8]) -> u32 {
        let (words, rest) = value.as_chunks::<8>();
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(byte, rest)| *byte = *rest);
        let mut hash = self.0 ^ u64::try_from(value.len()).unwrap_or_default();
        for word in words.iter().chain([&last]) {
            hash = self.mix(hash ^ u64::from_le_bytes(*word));
        }
        let hash = self.mix(hash);
        let [a, b, c, d, ..] = hash.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// Multiplies the halves of a word, each with a part of the key, which is cheap without registers of 128 bits.
    fn mix(&self, word: u64) -> u64 {
        let word = word.wrapping_add(self.1);
        (word >> 32).wrapping_mul(word & 0xffff_ffff).wrapping_add(word.rotate_left(29)) ^ self.0
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
    fn with_capacity(numbers: usize) -> Self {
        Self { slots: vec![(0, 0); (numbers * 2).next_power_of_two()], used: 0 }
    }

    /// Grows to at least this many slots.
    fn grow(&mut self, slots: usize) {
        let slots = vec![(0, 0); slots.next_power_of_two().max(64)];
        let old = std::mem::replace(&mut self.slots, slots);
        for (hash, number) in old.into_iter().filter(|(_, number)| *number > 0) {
            self.put(hash, number);
        }
    }

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
            self.grow(self.slots.len() * 2);
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
            let bytes = ByteSet::of(text.as_bytes());
            assert_eq!(values.get_with_bytes(*id), (text.as_bytes(), &bytes));
        }
        assert_eq!(values.entries.len(), texts.len());
    }

    #[test]
    fn a_transformation_is_applied_once_to_a_value() {
        let mut values = Values::default();
        let triggers = Triggers::new(true);
        let steps = [Transformation::UrlDecode, Transformation::Lowercase, Transformation::Length];
        let pipeline = Pipeline::new(&steps, triggers.of(&steps));
        let id = values.add(b"%41Bc");
        let result = values.transformed(&triggers, &pipeline, id);
        assert_eq!(values.get(result), b"3");
        assert_eq!(values.transformed(&triggers, &pipeline, id), result);
        assert_eq!(values.results.len(), 3);
        // Nothing in it can be decoded, and `length` changes every value.
        let plain = values.add(b"abc");
        let length = values.transformed(&triggers, &pipeline, plain);
        assert_eq!((length, values.results.len()), (result, 3));
        let steps = [Transformation::UrlDecode, Transformation::Lowercase];
        let pipeline = Pipeline::new(&steps, triggers.of(&steps));
        assert_eq!(values.transformed(&triggers, &pipeline, plain), plain);
        let upper = values.add(b"ABC");
        assert_eq!(values.transformed(&triggers, &pipeline, upper), plain);
    }
}
