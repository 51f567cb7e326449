//! The values of a transaction, each stored once, with the results of their transformations.

use std::collections::HashMap;
use std::rc::Rc;

use seclang::Transformation;

use crate::transform;

/// A stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(u32);

/// All values of a transaction.
#[derive(Default)]
pub(crate) struct Values {
    values: Vec<Rc<[u8]>>,
    ids: HashMap<Rc<[u8]>, ValueId>,
    /// By pipeline and value.
    transformed: Vec<Vec<Option<ValueId>>>,
    /// By value: the last rule that compared it without a match.
    compared: Vec<u32>,
}

impl Values {
    pub(crate) fn add(&mut self, value: &[u8]) -> ValueId {
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        let id = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        let value: Rc<[u8]> = value.into();
        self.values.push(Rc::clone(&value));
        self.ids.insert(value, id);
        id
    }

    pub(crate) fn get(&self, id: ValueId) -> Rc<[u8]> {
        self.values.get(id.index()).cloned().unwrap_or_default()
    }

    /// Returns the result of a list of transformations, which has this number.
    pub(crate) fn transformed(&mut self, number: u16, pipeline: &[Transformation], id: ValueId) -> ValueId {
        if pipeline.is_empty() {
            return id;
        }
        let number = usize::from(number);
        if let Some(Some(known)) = self.transformed.get(number).and_then(|values| values.get(id.index())) {
            return *known;
        }
        let mut current = self.get(id);
        for transformation in pipeline {
            if let Some(changed) = transform::apply(*transformation, &current) {
                current = changed.into();
            }
        }
        let result = self.add(&current);
        if self.transformed.len() <= number {
            self.transformed.resize(number + 1, Vec::new());
        }
        if let Some(values) = self.transformed.get_mut(number) {
            if values.len() <= id.index() {
                values.resize(id.index() + 1, None);
            }
            if let Some(slot) = values.get_mut(id.index()) {
                *slot = Some(result);
            }
        }
        result
    }

    /// Returns true if [`Self::set_compared`] was called with the value for this rule.
    pub(crate) fn is_compared(&self, id: ValueId, rule: u32) -> bool {
        self.compared.get(id.index()) == Some(&rule)
    }

    /// Records that a rule does not match a value.
    pub(crate) fn set_compared(&mut self, id: ValueId, rule: u32) {
        if self.compared.len() <= id.index() {
            self.compared.resize(id.index() + 1, u32::MAX);
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
