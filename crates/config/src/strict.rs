//! A deserializer around another one: it knows the path, refuses unknown keys, and words every error.
//!
//! It sits between a format (JSON in a plug-in, YAML in the tools) and the types of a plug-in, and streams:
//! nothing is buffered. Types that the format errs about are worded by [`ConfigError`], because the
//! visitors behind this deserializer see that error type and never the format's own.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display};

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use crate::path::Path;
use crate::{ConfigError, suggest};

/// What one reading of one document shares.
#[derive(Default)]
pub(crate) struct Context {
    /// An error of ours on its way out through the format's error type, which would lose its parts.
    error: RefCell<Option<ConfigError>>,
    /// The fields of the struct that is being read, for "did you mean".
    fields: Cell<&'static [&'static str]>,
}

impl Context {
    /// Reads with `fields` as those of the current struct.
    pub(crate) fn with_fields<T>(&self, fields: &'static [&'static str], read: impl FnOnce() -> T) -> T {
        let outer = self.fields.replace(fields);
        let value = read();
        self.fields.set(outer);
        value
    }

    /// Our own error if one caused `error`, else the format's, where the reader stands.
    fn recover(&self, error: impl Display, path: &Path<'_>) -> ConfigError {
        let own = self.error.borrow_mut().take();
        own.unwrap_or_else(|| ConfigError::custom(error)).locate(path)
    }

    /// Keeps `error` while an empty one of the format's type travels; the first one kept stays.
    pub(crate) fn stash<E: serde::de::Error>(&self, error: ConfigError) -> E {
        self.error.borrow_mut().get_or_insert(error);
        E::custom("")
    }
}

/// Reads a `T` through `inner`, refusing unknown keys.
pub(crate) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(inner: D) -> Result<T, ConfigError> {
    let context = Context::default();
    T::deserialize(Strict {
        inner,
        path: &Path::Root,
        context: &context,
    })
}

/// The deserializer; see the module.
pub(crate) struct Strict<'c, D> {
    pub(crate) inner: D,
    pub(crate) path: &'c Path<'c>,
    pub(crate) context: &'c Context,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let visitor = StrictVisitor {
            inner: visitor,
            path: self.path,
            context: self.context,
        };
        self.inner
            .deserialize_any(visitor)
            .map_err(|error| self.context.recover(error, self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let visitor = StrictVisitor {
            inner: visitor,
            path: self.path,
            context: self.context,
        };
        self.inner
            .deserialize_option(visitor)
            .map_err(|error| self.context.recover(error, self.path))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let path = self.path;
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| error.locate(path))
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

    /// Only a key that the type does not know is read this way.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ConfigError> {
        let key = self.path.split_key().map_or("", |(_, key)| key);
        Err(ConfigError::custom(suggest::unknown_key(key, self.context.fields.get())).locate(self.path))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// Hands what the format found to the type's own visitor, with our error type and the path.
struct StrictVisitor<'c, V> {
    inner: V,
    path: &'c Path<'c>,
    context: &'c Context,
}

/// One scalar that a format can hand over.
macro_rules! scalars {
    ($($method:ident($value:ty)),* $(,)?) => {$(
        fn $method<E: serde::de::Error>(self, value: $value) -> Result<V::Value, E> {
            let (path, context) = (self.path, self.context);
            self.inner.$method::<ConfigError>(value).map_err(|error| context.stash(error.locate(path)))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    scalars! {
        visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64),
        visit_str(&str), visit_borrowed_str(&'de str), visit_string(String),
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        let (path, context) = (self.path, self.context);
        self.inner
            .visit_unit::<ConfigError>()
            .map_err(|error| context.stash(error.locate(path)))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        let (path, context) = (self.path, self.context);
        self.inner
            .visit_none::<ConfigError>()
            .map_err(|error| context.stash(error.locate(path)))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let (path, context) = (self.path, self.context);
        self.inner
            .visit_some(Strict { inner, path, context })
            .map_err(|error| context.stash(error.locate(path)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let (path, context) = (self.path, self.context);
        self.inner
            .visit_seq(Entries {
                inner,
                index: 0,
                path,
                context,
            })
            .map_err(|error| context.stash(error.locate(path)))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let (path, context) = (self.path, self.context);
        self.inner
            .visit_map(Keys {
                inner,
                key: String::new(),
                path,
                context,
            })
            .map_err(|error| context.stash(error.locate(path)))
    }
}

/// An enum, as its name (`"AUTHN"`) or as an object with its name as the only key.
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
struct Entries<'c, A> {
    inner: A,
    index: usize,
    path: &'c Path<'c>,
    context: &'c Context,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Entries<'_, A> {
    type Error = ConfigError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ConfigError> {
        let path = Path::Index(self.path, self.index);
        self.index += 1;
        self.inner
            .next_element_seed(StrictSeed {
                seed,
                path: &path,
                context: self.context,
            })
            .map_err(|error| self.context.recover(error, &path))
    }
}

/// The keys and values of an object.
struct Keys<'c, A> {
    inner: A,
    key: String,
    path: &'c Path<'c>,
    context: &'c Context,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keys<'_, A> {
    type Error = ConfigError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ConfigError> {
        let key = self
            .inner
            .next_key::<String>()
            .map_err(|error| self.context.recover(error, self.path))?;
        let Some(key) = key else { return Ok(None) };
        self.key = key;
        let key: StrDeserializer<'_, ConfigError> = self.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ConfigError> {
        let path = Path::Key(self.path, &self.key);
        self.inner
            .next_value_seed(StrictSeed {
                seed,
                path: &path,
                context: self.context,
            })
            .map_err(|error| self.context.recover(error, &path))
    }
}

/// A value inside a list or an object.
struct StrictSeed<'c, S> {
    seed: S,
    path: &'c Path<'c>,
    context: &'c Context,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictSeed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let (path, context) = (self.path, self.context);
        self.seed
            .deserialize(Strict { inner, path, context })
            .map_err(|error| context.stash(error.locate(path)))
    }
}

/// An object whose reserved keys somebody else takes out: what is left belongs to the plug-in.
pub(crate) struct Own<'c, A, R> {
    pub(crate) map: A,
    /// A key that was read to find out whether there is any.
    pub(crate) first: Option<String>,
    /// Reads the value of a reserved key, and says whether the key was one.
    pub(crate) reserved: R,
    pub(crate) context: &'c Context,
}

impl<'de, A, R> Deserializer<'de> for Own<'_, A, R>
where
    A: MapAccess<'de>,
    R: FnMut(&str, &mut A) -> Result<bool, A::Error>,
{
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let context = self.context;
        context.with_fields(fields, || visitor.visit_map(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de, A, R> MapAccess<'de> for Own<'_, A, R>
where
    A: MapAccess<'de>,
    R: FnMut(&str, &mut A) -> Result<bool, A::Error>,
{
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = match self.first.take() {
            Some(key) => Some(key),
            None => next_own_key(&mut self.map, &mut self.reserved)?,
        };
        let Some(key) = key else { return Ok(None) };
        let key: StrDeserializer<'_, A::Error> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The next key that is not reserved; reserved ones on the way are read.
pub(crate) fn next_own_key<'de, A: MapAccess<'de>>(
    map: &mut A,
    reserved: &mut impl FnMut(&str, &mut A) -> Result<bool, A::Error>,
) -> Result<Option<String>, A::Error> {
    while let Some(key) = map.next_key::<String>()? {
        if !reserved(&key, map)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}
