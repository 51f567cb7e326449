//! A deserializer that tracks the path and rejects unknown keys.
//!
//! It connects the values of a [format](crate::source) with the types of a plug-in, so that every error, in JSON or YAML, is
//! a [`ConfigError`] with its path.

use std::cell::Cell;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::path::Path;
use crate::source::{List, Object, RawValue, Receive};
use crate::{ConfigError, suggest};

/// State that is shared while a document is read.
#[derive(Default)]
pub(crate) struct Context {
    /// The fields of the struct that is being read, for "did you mean".
    fields: Cell<&'static [&'static str]>,
}

impl Context {
    /// Reads with `fields` as those of the current struct.
    fn with_fields<T>(&self, fields: &'static [&'static str], read: impl FnOnce() -> T) -> T {
        let outer = self.fields.replace(fields);
        let value = read();
        self.fields.set(outer);
        value
    }
}

/// Reads the value that `find` passes, with `seed`.
pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    path: &Path<'_>,
    context: &Context,
    find: impl FnOnce(Receive<'_>) -> Result<(), ConfigError>,
) -> Result<Option<S::Value>, ConfigError> {
    let mut seed = Some(seed);
    let mut value = None;
    let found = find(&mut |found| {
        // A format passes one value; there is no seed for a second one.
        if let Some(seed) = seed.take() {
            value = Some(seed.deserialize(Strict { found, path, context })?);
        }
        Ok(())
    });
    match found {
        Ok(()) => Ok(value),
        Err(error) => Err(error.locate(path)),
    }
}

/// Reads a JSON value; `None` if it is null.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    value: &serde_json::Value,
) -> Result<Option<T>, ConfigError> {
    read(std::marker::PhantomData, &Path::Root, &Context::default(), |receive| {
        crate::source::find(value, receive)
    })
}

/// A value with its path; see the module.
pub(crate) struct Strict<'f, 'c> {
    pub(crate) found: RawValue<'f>,
    pub(crate) path: &'c Path<'c>,
    pub(crate) context: &'c Context,
}

impl<'de> Deserializer<'de> for Strict<'_, '_> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let (path, context) = (self.path, self.context);
        match self.found {
            RawValue::Bool(value) => visitor.visit_bool(value),
            RawValue::Signed(value) => visitor.visit_i64(value),
            RawValue::Unsigned(value) => visitor.visit_u64(value),
            RawValue::Float(value) => visitor.visit_f64(value),
            RawValue::Str(value) => visitor.visit_str(value),
            RawValue::Nothing => visitor.visit_unit(),
            RawValue::List(list) => visitor.visit_seq(Entries { list, index: 0, path, context }),
            RawValue::Object(object) => visitor.visit_map(Keys { object, key: String::new(), path, context }),
        }
        .map_err(|error: ConfigError| error.locate(path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.found {
            RawValue::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let path = self.path;
        visitor.visit_newtype_struct(self).map_err(|error| error.locate(path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let context = self.context;
        context.with_fields(fields, || self.deserialize_any(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.deserialize_any(EnumVisitor(visitor))
    }

    /// Called only for unknown keys.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ConfigError> {
        let message = suggest::unknown_key(self.path.key(), self.context.fields.get());
        Err(ConfigError::custom(message).locate(self.path))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// Reads an enum from its name (`"AUTHN"`), or from an object with its name as the only key.
struct EnumVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for EnumVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<V::Value, E> {
        let name: StrDeserializer<'_, E> = name.into_deserializer();
        self.0.visit_enum(name)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(MapAccessDeserializer::new(map))
    }
}

/// The entries of a list.
struct Entries<'f, 'c> {
    list: &'f mut dyn List,
    index: usize,
    path: &'c Path<'c>,
    context: &'c Context,
}

impl<'de> SeqAccess<'de> for Entries<'_, '_> {
    type Error = ConfigError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ConfigError> {
        let path = Path::Index(self.path, self.index);
        self.index += 1;
        read(seed, &path, self.context, |receive| self.list.next(receive).map(drop))
    }
}

/// The keys and values of an object.
struct Keys<'f, 'c> {
    object: &'f mut dyn Object,
    key: String,
    path: &'c Path<'c>,
    context: &'c Context,
}

impl<'de> MapAccess<'de> for Keys<'_, '_> {
    type Error = ConfigError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ConfigError> {
        let Some(key) = self.object.next_key().map_err(|error| error.locate(self.path))? else {
            return Ok(None);
        };
        self.key = key;
        let key: StrDeserializer<'_, ConfigError> = self.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ConfigError> {
        let path = Path::Key(self.path, &self.key);
        let value = read(seed, &path, self.context, |receive| self.object.value(receive))?;
        value.ok_or_else(|| ConfigError::custom("has no value: write one").locate(&path))
    }
}
