//! The values of a document, independent of the format and of the types that are read from it.
//!
//! A deserializer that is generic over the format is compiled for each type that a plug-in reads: the smallest module
//! contained a dozen copies of `serde_json`'s parser. Here it is compiled once, for [`Bridge`], and the layers above use
//! [`RawValue`]. Nothing is buffered: lists and objects pass their values one by one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};

use crate::ConfigError;

/// A value of the format.
pub(crate) enum RawValue<'a> {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Str(&'a str),
    Nothing,
    List(&'a mut dyn List),
    Object(&'a mut dyn Object),
}

impl RawValue<'_> {
    /// Returns the error for a value of the wrong kind.
    pub(crate) fn is_not(&self, expected: &dyn Expected) -> ConfigError {
        let found = match self {
            RawValue::Bool(value) => Unexpected::Bool(*value),
            RawValue::Signed(value) => Unexpected::Signed(*value),
            RawValue::Unsigned(value) => Unexpected::Unsigned(*value),
            RawValue::Float(value) => Unexpected::Float(*value),
            RawValue::Str(value) => Unexpected::Str(value),
            RawValue::Nothing => Unexpected::Unit,
            RawValue::List(_) => Unexpected::Seq,
            RawValue::Object(_) => Unexpected::Map,
        };
        ConfigError::invalid_type(found, expected)
    }
}

/// Receives a value.
pub(crate) type Receive<'a> = &'a mut dyn FnMut(RawValue<'_>) -> Result<(), ConfigError>;

/// The entries of a list, in order.
pub(crate) trait List {
    /// Passes the next entry; false if there is none.
    fn next(&mut self, receive: Receive<'_>) -> Result<bool, ConfigError>;
}

/// The keys and values of an object, in order.
pub(crate) trait Object {
    fn next_key(&mut self) -> Result<Option<String>, ConfigError>;

    /// Passes the value of the last key.
    fn value(&mut self, receive: Receive<'_>) -> Result<(), ConfigError>;
}

/// Reads the next value of `format`.
pub(crate) fn find<'de, D: Deserializer<'de>>(format: D, receive: Receive<'_>) -> Result<(), ConfigError> {
    let mut error = None;
    own(Bridge { receive, error: &mut error }.deserialize(format), error)
}

/// Returns this crate's error, if it caused that of the format.
fn own<T, E: fmt::Display>(result: Result<T, E>, own: Option<ConfigError>) -> Result<T, ConfigError> {
    result.map_err(|error| own.unwrap_or_else(|| ConfigError::custom(error)))
}

/// The visitor for the format.
struct Bridge<'a> {
    receive: Receive<'a>,
    /// This crate's error, while an empty error of the format's type is passed through the format.
    error: &'a mut Option<ConfigError>,
}

impl Bridge<'_> {
    fn pass<E: serde::de::Error>(self, found: RawValue<'_>) -> Result<(), E> {
        (self.receive)(found).map_err(|error| {
            *self.error = Some(error);
            E::custom("")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Bridge<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, format: D) -> Result<(), D::Error> {
        format.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bridge<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.pass(RawValue::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.pass(RawValue::Signed(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.pass(RawValue::Unsigned(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.pass(RawValue::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.pass(RawValue::Str(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.pass(RawValue::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.pass(RawValue::List(&mut Entries(list, PhantomData)))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        self.pass(RawValue::Object(&mut Entries(object, PhantomData)))
    }
}

/// A format's list or object.
struct Entries<'de, A>(A, PhantomData<&'de ()>);

impl<'de, A: SeqAccess<'de>> List for Entries<'de, A> {
    fn next(&mut self, receive: Receive<'_>) -> Result<bool, ConfigError> {
        let mut error = None;
        let next = self.0.next_element_seed(Bridge { receive, error: &mut error });
        Ok(own(next, error)?.is_some())
    }
}

impl<'de, A: MapAccess<'de>> Object for Entries<'de, A> {
    fn next_key(&mut self) -> Result<Option<String>, ConfigError> {
        own(self.0.next_key(), None)
    }

    fn value(&mut self, receive: Receive<'_>) -> Result<(), ConfigError> {
        let mut error = None;
        own(self.0.next_value_seed(Bridge { receive, error: &mut error }), error)
    }
}
