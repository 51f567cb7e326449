//! The fields that rules start from: kept in memory, and laid under the fields of each rule.
//!
//! Everything else in this crate is read as it comes. Here it cannot be: the global fields may stand behind
//! the rules, and every rule reads them again. Only a plug-in that declares it has this code in its module.

use std::slice;

use crate::source::{Found, List, Object, Receive};
use crate::{ConfigError, FieldError};

/// A value that can be read more than once.
pub(crate) enum Kept {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Str(String),
    Nothing,
    List(Vec<Kept>),
    Object(Fields),
}

/// Keys and values in their order. A key that stands there twice is kept twice, and refused where it is read.
pub(crate) type Fields = Vec<(String, Kept)>;

impl Kept {
    fn of(found: Found<'_>) -> Result<Self, ConfigError> {
        Ok(match found {
            Found::Bool(value) => Kept::Bool(value),
            Found::Signed(value) => Kept::Signed(value),
            Found::Unsigned(value) => Kept::Unsigned(value),
            Found::Float(value) => Kept::Float(value),
            Found::Str(value) => Kept::Str(value.to_string()),
            Found::Nothing => Kept::Nothing,
            Found::List(list) => {
                let mut entries = Vec::new();
                while list.next(&mut |found| {
                    entries.push(Kept::of(found)?);
                    Ok(())
                })? {}
                Kept::List(entries)
            }
            Found::Object(object) => {
                let mut fields = Fields::new();
                while let Some(key) = object.next_key()? {
                    fields.push((key, Kept::value(object)?));
                }
                Kept::Object(fields)
            }
        })
    }

    /// Keeps the value of the key that came last.
    pub(crate) fn value(object: &mut dyn Object) -> Result<Self, ConfigError> {
        let mut kept = Kept::Nothing;
        object.value(&mut |found| {
            kept = Kept::of(found)?;
            Ok(())
        })?;
        Ok(kept)
    }

    fn lend(&self, receive: Receive<'_>) -> Result<(), ConfigError> {
        match self {
            Kept::Bool(value) => receive(Found::Bool(*value)),
            Kept::Signed(value) => receive(Found::Signed(*value)),
            Kept::Unsigned(value) => receive(Found::Unsigned(*value)),
            Kept::Float(value) => receive(Found::Float(*value)),
            Kept::Str(value) => receive(Found::Str(value)),
            Kept::Nothing => receive(Found::Nothing),
            Kept::List(entries) => receive(Found::List(&mut entries.iter())),
            Kept::Object(fields) => receive(Found::Object(&mut Lent::fields(fields))),
        }
    }
}

impl List for slice::Iter<'_, Kept> {
    fn next(&mut self, receive: Receive<'_>) -> Result<bool, ConfigError> {
        Iterator::next(self).map_or(Ok(false), |kept| kept.lend(receive).map(|()| true))
    }
}

/// Kept fields as an object that can be read once.
pub(crate) struct Lent<'a> {
    fields: slice::Iter<'a, (String, Kept)>,
    /// The value of the key that came last.
    value: &'a Kept,
}

impl<'a> Lent<'a> {
    pub(crate) fn fields(fields: &'a [(String, Kept)]) -> Self {
        Lent { fields: fields.iter(), value: &Kept::Nothing }
    }

    /// An object whose key has been read already.
    pub(crate) fn value(value: &'a Kept) -> Self {
        Lent { fields: slice::Iter::default(), value }
    }
}

impl Object for Lent<'_> {
    fn next_key(&mut self) -> Result<Option<String>, ConfigError> {
        let next = self.fields.next();
        Ok(next.map(|(key, value)| {
            self.value = value;
            key.clone()
        }))
    }

    fn value(&mut self, receive: Receive<'_>) -> Result<(), ConfigError> {
        self.value.lend(receive)
    }
}

/// The fields of a rule, and of the global ones those that the rule does not write.
pub(crate) struct Overlay<'a> {
    rule: &'a mut dyn Object,
    written: Vec<String>,
    /// Whether the rule's own fields have all been read.
    rule_is_read: bool,
    global: &'a [(String, Kept)],
    inherited: Lent<'a>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(rule: &'a mut dyn Object, global: &'a [(String, Kept)]) -> Self {
        Overlay { rule, written: Vec::new(), rule_is_read: false, global, inherited: Lent::fields(global) }
    }

    /// Says of a field that does not go with those of the rule where it comes from: it is good where it stands.
    pub(crate) fn explain(&self, error: FieldError) -> FieldError {
        let error = ConfigError::from(error);
        let key = error.path().split(['.', '[']).next().unwrap_or_default();
        let inherited = !self.writes(key) && self.global.iter().any(|(global, _)| global == key);
        let origin = if inherited { " (the rule has this field from the global ones)" } else { "" };
        FieldError::new(error.path(), format!("{}{origin}", error.message()))
    }

    fn writes(&self, key: &str) -> bool {
        self.written.iter().any(|written| written == key)
    }
}

impl Object for Overlay<'_> {
    fn next_key(&mut self) -> Result<Option<String>, ConfigError> {
        if !self.rule_is_read {
            if let Some(key) = self.rule.next_key()? {
                self.written.push(key.clone());
                return Ok(Some(key));
            }
            self.rule_is_read = true;
        }
        while let Some(key) = self.inherited.next_key()? {
            if !self.writes(&key) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn value(&mut self, receive: Receive<'_>) -> Result<(), ConfigError> {
        if self.rule_is_read { self.inherited.value(receive) } else { self.rule.value(receive) }
    }
}
