//! A document as its format finds it, behind one type for all formats and all types that are read from it.
//!
//! A deserializer that is generic over the format is compiled anew for every type that a plug-in reads:
//! `serde_json`'s parser stood a dozen times in the smallest module. Here it is compiled once, for
//! [`Bridge`], and everything above works with [`RawValue`]. Nothing is buffered: a value that holds others
//! lends them out one by one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};

use crate::ConfigError;

/// One value.
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
    /// The error for a value that is of the wrong kind.
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

/// What is done with a value that was found.
pub(crate) type Receive<'a> = &'a mut dyn FnMut(RawValue<'_>) -> Result<(), ConfigError>;

/// The entries of a list, in order.
pub(crate) trait List {
    /// Hands over the next entry, and says whether there was one.
    fn next(&mut self, receive: Receive<'_>) -> Result<bool, ConfigError>;
}

/// The keys and values of an object, in order.
pub(crate) trait Object {
    fn next_key(&mut self) -> Result<Option<String>, ConfigError>;

    /// Hands over the value of the key that came last.
    fn value(&mut self, receive: Receive<'_>) -> Result<(), ConfigError>;
}

/// Finds the value that `format` stands at.
pub(crate) fn find<'de, D: Deserializer<'de>>(format: D, receive: Receive<'_>) -> Result<(), ConfigError> {
    let mut error = None;
    own(Bridge { receive, error: &mut error }.deserialize(format), error)
}

/// Our own error where one caused the format's.
fn own<T, E: fmt::Display>(result: Result<T, E>, own: Option<ConfigError>) -> Result<T, ConfigError> {
    result.map_err(|error| own.unwrap_or_else(|| ConfigError::custom(error)))
}

/// The visitor that a format talks to.
struct Bridge<'a> {
    receive: Receive<'a>,
    /// An error of ours, while an empty one of the format's type travels through the format.
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
