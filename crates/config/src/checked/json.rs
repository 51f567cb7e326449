//! Values of any type, for parts of a configuration that a plug-in passes on.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A value of any type. Keys keep their order, and numbers are as JSON writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(String),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Json>),
    /// An object, with its keys in order.
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.to_string()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.to_string()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
                match value.is_finite() {
                    true => Ok(Json::Number(format!("{value:?}"))),
                    false => Err(E::custom("must be a number that JSON can write")),
                }
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
                Ok(Json::String(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Json::List(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
                let mut values = Vec::new();
                while let Some(entry) = object.next_entry()? {
                    values.push(entry);
                }
                Ok(Json::Object(values))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, format: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => format.serialize_unit(),
            Self::Bool(value) => format.serialize_bool(*value),
            Self::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => format.serialize_i64(number),
                (_, Ok(number)) => format.serialize_f64(number),
                _ => format.serialize_str(text),
            },
            Self::String(text) => format.serialize_str(text),
            Self::List(values) => values.serialize(format),
            Self::Object(values) => format.collect_map(values.iter().map(|(key, value)| (key, value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_order_and_numbers() {
        let text = r#"{"b":[1,-2,0.5,1e300,true,null],"a":{"c":"\"d"},"b":18446744073709551615}"#;
        let value: Json = serde_json::from_str(text).unwrap();
        let number = |text: &str| Json::Number(text.into());
        let list =
            vec![number("1"), number("-2"), number("0.5"), number("1e300"), Json::Bool(true), Json::Null];
        let inner = Json::Object(vec![("c".into(), Json::String("\"d".into()))]);
        let expected = vec![
            ("b".into(), Json::List(list)),
            ("a".into(), inner),
            ("b".into(), number("18446744073709551615")),
        ];
        assert_eq!(value, Json::Object(expected));
        let once = r#"{"b":[1,-2,0.5,true,null],"a":{"c":"\"d"}}"#;
        let value: Json = serde_json::from_str(once).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), once);
    }
}
