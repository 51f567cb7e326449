//! The changes of `multipart/form-data`, which are made while it passes: files are never held.
//!
//! Each step reads the fields that the step before it returns. What can only be known at the end, such as a field that does
//! not exist, is added there.

use std::collections::BTreeSet;

use text::json::edit::Retain;
use text::multipart::{Field, Part, Reader};

use crate::config::{Action, Part as Place, Step, Value};
use crate::rules::Captured;

/// A body that is being changed.
pub struct Stream {
    reader: Reader,
    /// The state of each step of the configuration; others than those of bodies have none.
    states: Vec<State>,
    captured: Captured,
}

/// What a step has seen.
#[derive(Default)]
struct State {
    /// A field with the name.
    seen: bool,
    /// Values to be copied.
    copied: Vec<Vec<u8>>,
    /// Values that were seen.
    values: BTreeSet<Vec<u8>>,
    /// Fields that may be dropped at the end.
    held: Vec<Field>,
}

impl Stream {
    /// Begins a body with this content type.
    pub fn new(content_type: &[u8], steps: &[Step], captured: Captured) -> Option<Self> {
        let states = steps.iter().map(|_| State::default()).collect();
        Some(Self { reader: Reader::new(content_type)?, states, captured })
    }

    /// Changes the next bytes. `expand` returns a value, or nothing if its pattern does not match.
    pub fn change(
        &mut self,
        steps: &[Step],
        chunk: &[u8],
        is_last: bool,
        expand: impl Fn(&Value) -> Option<Vec<u8>>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        for part in self.reader.feed(chunk) {
            match part {
                Part::Bytes(bytes) => out.extend(bytes),
                Part::Field(field) => self.pass(steps, 0, field, &expand, &mut out),
                Part::End => {
                    for index in 0..steps.len() {
                        for field in self.added(steps, index, &expand) {
                            self.pass(steps, index + 1, field, &expand, &mut out);
                        }
                    }
                }
            }
        }
        if is_last {
            out.extend(self.reader.finish());
        }
        out
    }

    /// Passes a field through the steps from `first` on.
    fn pass(
        &mut self,
        steps: &[Step],
        first: usize,
        mut field: Field,
        expand: &impl Fn(&Value) -> Option<Vec<u8>>,
        out: &mut Vec<u8>,
    ) {
        for (index, step) in steps.iter().enumerate().skip(first) {
            let Some(state) = self.states.get_mut(index).filter(|_| step.target == Place::Body) else {
                continue;
            };
            let copied = self.captured.iter().any(|(known, values)| *known == index && !values.is_empty());
            match state.apply(&step.action, field, copied, expand) {
                Some(changed) => field = changed,
                None => return,
            }
        }
        self.reader.write(&field, out);
    }

    /// Returns the fields that a step adds at the end.
    fn added(
        &mut self,
        steps: &[Step],
        index: usize,
        expand: &impl Fn(&Value) -> Option<Vec<u8>>,
    ) -> Vec<Field> {
        let (Some(step), Some(state)) = (steps.get(index), self.states.get_mut(index)) else {
            return Vec::new();
        };
        if step.target != Place::Body {
            return Vec::new();
        }
        let new = |name: &[u8], value: Option<Vec<u8>>| {
            value.map(|value| Field::new(name, &value)).into_iter().collect()
        };
        let mut held = std::mem::take(&mut state.held);
        match &step.action {
            Action::Replace(name, value, _) | Action::Add(name, value, _) if !state.seen => {
                new(&name.plain, expand(value))
            }
            Action::Append(name, value, _) => new(&name.plain, expand(value)),
            Action::Map(_, _, to) => {
                let captured = self.captured.iter_mut().find(|(known, _)| *known == index);
                let copied = captured
                    .map_or_else(|| std::mem::take(&mut state.copied), |(_, values)| std::mem::take(values));
                match copied.is_empty() {
                    true => held,
                    false => copied.iter().map(|value| Field::new(&to.plain, value)).collect(),
                }
            }
            Action::Dedupe(_, strategy) => {
                for field in &mut held {
                    if let Some(part) = strategy.part(&field.value) {
                        field.value = part.to_vec();
                    }
                }
                held
            }
            Action::Rename(..) => held,
            _ => Vec::new(),
        }
    }
}

impl State {
    /// Returns the field after a step, or `None` if it is dropped or held.
    fn apply(
        &mut self,
        action: &Action,
        mut field: Field,
        copied: bool,
        expand: impl Fn(&Value) -> Option<Vec<u8>>,
    ) -> Option<Field> {
        match action {
            Action::Remove(name) => (field.name != name.plain).then_some(field),
            Action::Rename(from, to) if field.name == from.plain => {
                self.seen = true;
                self.held.clear();
                field.name = to.plain.clone();
                Some(field)
            }
            Action::Rename(from, to) if field.name == to.plain && from.plain != to.plain => {
                if !self.seen {
                    self.held.push(field);
                }
                None
            }
            Action::Replace(name, value, _) if field.name == name.plain => {
                let Some(value) = expand(value) else { return Some(field) };
                if std::mem::replace(&mut self.seen, true) {
                    return None;
                }
                field.value = value;
                Some(field)
            }
            Action::Add(name, ..) => {
                self.seen |= field.name == name.plain;
                Some(field)
            }
            Action::Map(source, from, to) => {
                let is_source = *source == Place::Body && field.name == from.plain;
                if is_source {
                    self.copied.push(field.value.clone());
                }
                if field.name != to.plain || is_source {
                    return Some(field);
                }
                if !copied {
                    self.held.push(field);
                }
                None
            }
            Action::Dedupe(name, strategy) if field.name == name.plain => match strategy.retain() {
                Retain::First => {
                    if std::mem::replace(&mut self.seen, true) {
                        return None;
                    }
                    if let Some(part) = strategy.part(&field.value) {
                        field.value = part.to_vec();
                    }
                    Some(field)
                }
                Retain::Last => {
                    self.held = vec![field];
                    None
                }
                Retain::Unique => self.values.insert(field.value.clone()).then_some(field),
            },
            _ => Some(field),
        }
    }
}
