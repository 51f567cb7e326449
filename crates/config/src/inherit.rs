//! The fields that rules start from: kept in memory, and laid under the fields of each rule.
//!
//! Everything else in this crate is read as it comes. Here it cannot be: the global fields may stand behind
//! the rules, and every rule reads them again. Only a plug-in that declares it has this code in its module.

use std::slice;

use crate::source::{List, Object, RawValue, Receive};
use crate::{ConfigError, FieldError};

/// A value that can be read more than once.
pub(crate) enum OwnedValue {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Str(String),
    Nothing,
    List(Vec<OwnedValue>),
    Object(Fields),
}

/// Keys and values in their order. A key that stands there twice is kept twice, and refused where it is read.
pub(crate) type Fields = Vec<(String, OwnedValue)>;

impl OwnedValue {
    fn of(found: RawValue<'_>) -> Result<Self, ConfigError> {
        Ok(match found {
            RawValue::Bool(value) => OwnedValue::Bool(value),
            RawValue::Signed(value) => OwnedValue::Signed(value),
            RawValue::Unsigned(value) => OwnedValue::Unsigned(value),
            RawValue::Float(value) => OwnedValue::Float(value),
            RawValue::Str(value) => OwnedValue::Str(value.to_string()),
            RawValue::Nothing => OwnedValue::Nothing,
            RawValue::List(list) => {
                let mut entries = Vec::new();
                while list.next(&mut |found| {
                    entries.push(OwnedValue::of(found)?);
                    Ok(())
                })? {}
                OwnedValue::List(entries)
            }
            RawValue::Object(object) => {
                let mut fields = Fields::new();
                while let Some(key) = object.next_key()? {
                    fields.push((key, OwnedValue::value(object)?));
                }
                OwnedValue::Object(fields)
            }
        })
    }

    /// Keeps the value of the key that came last.
    pub(crate) fn value(object: &mut dyn Object) -> Result<Self, ConfigError> {
        let mut kept = OwnedValue::Nothing;
        object.value(&mut |found| {
            kept = OwnedValue::of(found)?;
            Ok(())
        })?;
        Ok(kept)
    }

    fn lend(&self, receive: Receive<'_>) -> Result<(), ConfigError> {
        match self {
            OwnedValue::Bool(value) => receive(RawValue::Bool(*value)),
            OwnedValue::Signed(value) => receive(RawValue::Signed(*value)),
            OwnedValue::Unsigned(value) => receive(RawValue::Unsigned(*value)),
            OwnedValue::Float(value) => receive(RawValue::Float(*value)),
            OwnedValue::Str(value) => receive(RawValue::Str(value)),
            OwnedValue::Nothing => receive(RawValue::Nothing),
            OwnedValue::List(entries) => receive(RawValue::List(&mut entries.iter())),
            OwnedValue::Object(fields) => receive(RawValue::Object(&mut BorrowedFields::fields(fields))),
        }
    }
}

impl List for slice::Iter<'_, OwnedValue> {
    fn next(&mut self, receive: Receive<'_>) -> Result<bool, ConfigError> {
        Iterator::next(self).map_or(Ok(false), |kept| kept.lend(receive).map(|()| true))
    }
}

/// OwnedValue fields as an object that can be read once.
pub(crate) struct BorrowedFields<'a> {
    fields: slice::Iter<'a, (String, OwnedValue)>,
    /// The value of the key that came last.
    value: &'a OwnedValue,
}

impl<'a> BorrowedFields<'a> {
    pub(crate) fn fields(fields: &'a [(String, OwnedValue)]) -> Self {
        BorrowedFields { fields: fields.iter(), value: &OwnedValue::Nothing }
    }

    /// An object whose key has been read already.
    pub(crate) fn value(value: &'a OwnedValue) -> Self {
        BorrowedFields { fields: slice::Iter::default(), value }
    }
}

impl Object for BorrowedFields<'_> {
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
    global: &'a [(String, OwnedValue)],
    inherited: BorrowedFields<'a>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(rule: &'a mut dyn Object, global: &'a [(String, OwnedValue)]) -> Self {
        Overlay {
            rule,
            written: Vec::new(),
            rule_is_read: false,
            global,
            inherited: BorrowedFields::fields(global),
        }
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
