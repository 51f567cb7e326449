//! Rules that start from the global fields: the fields are buffered, and merged with those of each rule.
//!
//! The rest of this crate does not buffer values. Here it is necessary, because the global fields may follow the rules, and
//! each rule reads them again. Only modules of plug-ins that declare it contain this code.

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

/// Keys and values in order. Duplicate keys are kept, and rejected when they are read.
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

    /// Buffers the value of the last key.
    pub(crate) fn value(object: &mut dyn Object) -> Result<Self, ConfigError> {
        let mut owned = OwnedValue::Nothing;
        object.value(&mut |found| {
            owned = OwnedValue::of(found)?;
            Ok(())
        })?;
        Ok(owned)
    }

    fn pass(&self, receive: Receive<'_>) -> Result<(), ConfigError> {
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
        Iterator::next(self).map_or(Ok(false), |value| value.pass(receive).map(|()| true))
    }
}

/// Reads buffered fields as an object.
pub(crate) struct BorrowedFields<'a> {
    fields: slice::Iter<'a, (String, OwnedValue)>,
    /// The value of the last key.
    value: &'a OwnedValue,
}

impl<'a> BorrowedFields<'a> {
    pub(crate) fn fields(fields: &'a [(String, OwnedValue)]) -> Self {
        BorrowedFields { fields: fields.iter(), value: &OwnedValue::Nothing }
    }

    /// Creates an object whose key has been read already.
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
        self.value.pass(receive)
    }
}

/// The fields of a rule, and the global fields that the rule does not have.
pub(crate) struct Overlay<'a> {
    rule: &'a mut dyn Object,
    written: Vec<String>,
    /// True if all fields of the rule have been read.
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

    /// Adds a note to an error about an inherited field, which is valid among the global fields.
    pub(crate) fn explain(&self, error: FieldError) -> FieldError {
        let error = ConfigError::from(error);
        let key = error.path().split(['.', '[']).next().unwrap_or_default();
        let inherited = !self.writes(key) && self.global.iter().any(|(global, _)| global == key);
        let origin = if inherited { " (the rule inherits this global field)" } else { "" };
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
