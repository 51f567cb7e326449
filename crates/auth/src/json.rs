//! JSON of keys and tokens: objects with duplicate names are rejected, at every level.
//!
//! Readers disagree about which of two duplicates counts, so a token that passes here could mean something else to the
//! upstream (RFC 8725, section 2.4). `serde_json::Value` keeps the last.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The names and values of an object.
pub type Object = BTreeMap<String, Json>;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number, and whole numbers of more than 64 bits.
    Float(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Object),
}

impl Json {
    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text) } else { None }
    }

    /// Returns the elements of a list.
    pub fn as_list(&self) -> Option<&[Json]> {
        if let Json::List(list) = self { Some(list) } else { None }
    }

    /// Returns the members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        if let Json::Object(object) = self { Some(object) } else { None }
    }
}

/// The maximum number of levels. Parsing is recursive, and the stack of a module is small.
pub const MAX_DEPTH: u8 = 32;

/// Parses an object.
///
/// # Errors
///
/// A description of the first error, without any text of the document, which may be secret.
pub fn parse(text: &[u8]) -> Result<Object, InvalidJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Level(MAX_DEPTH).deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(InvalidJson { reason: Reason::NotAnObject, line: 1, column: 1 }),
        Err(error) => {
            let reason = if error.is_data() { Reason::DuplicateOrDepth } else { Reason::Syntax };
            Err(InvalidJson { reason, line: error.line(), column: error.column() })
        }
    }
}

/// The reason for which a text is not a valid object, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidJson {
    reason: Reason,
    line: usize,
    column: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    Syntax,
    DuplicateOrDepth,
    NotAnObject,
}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::Syntax => "invalid JSON",
            Reason::DuplicateOrDepth => "JSON with a duplicate name, or with too many levels",
            Reason::NotAnObject => "not a JSON object",
        };
        write!(f, "{reason} in line {}, column {}", self.line, self.column)
    }
}

impl std::error::Error for InvalidJson {}

/// Parses a value that may contain this many further levels.
#[derive(Clone, Copy)]
struct Level(u8);

impl Level {
    fn below<E: Error>(self) -> Result<Level, E> {
        self.0.checked_sub(1).map(Level).ok_or_else(|| E::custom("too many levels"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut object = Object::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(below)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_types_are_parsed() {
        let text = br#"{"a": [null, true, 1, -2, 18446744073709551615, 1.5, "x\u00e9"], "b": {"c": {}}}"#;
        let object = parse(text).unwrap();
        let list = object["a"].as_list().unwrap();
        assert_eq!(list[..4], [Json::Null, Json::Bool(true), Json::Integer(1), Json::Integer(-2)]);
        assert_eq!(list[4..6], [Json::Integer(u64::MAX.into()), Json::Float(1.5)]);
        assert_eq!(list[6].as_str(), Some("xé"));
        assert_eq!(object["b"].as_object().unwrap()["c"], Json::Object(Object::new()));
    }

    #[test]
    fn duplicate_names_are_rejected_at_every_level_even_if_they_are_escaped() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("duplicate name"), "{error}");
        }
        assert!(parse(br#"{"a":{"x":1},"b":{"x":1},"A":1}"#).is_ok());
    }

    #[test]
    fn anything_but_one_object_is_rejected() {
        for text in
            ["", "1", "[]", "\"a\"", "null", "{} {}", "{}x", "{\"a\":}", "{\"a\":\"\u{1}\"}", "{'a':1}"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err(), "invalid UTF-8");
        assert!(parse(b" {\"a\":1}\n").is_ok());
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(usize::from(MAX_DEPTH) - 1).as_bytes()).is_ok());
        assert!(parse(nested(usize::from(MAX_DEPTH)).as_bytes()).is_err());
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }
}
