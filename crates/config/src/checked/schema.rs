//! The schemas of the checked types, and the serialization of their defaults.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{
    HeaderName, HeaderValue, Json, NonEmptyString, PathSuffix, RequestHeaderName, Secret, ServiceName,
    SettableHeaderName, StatusCode, Text,
};

macro_rules! described {
    ($($type:ident: $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, format: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(format)
            }
        }
    )*};
}

described! {
    NonEmptyString: { "type": "string", "minLength": 1 };
    PathSuffix: { "type": "string", "minLength": 1 };
    StatusCode: { "type": "integer", "minimum": 200, "maximum": 599 };
    HeaderName: { "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" };
    SettableHeaderName: { "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" };
    RequestHeaderName: { "type": "string", "pattern": "^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$" };
    ServiceName: { "type": "string", "minLength": 1 };
    Text: { "type": "string", "x-text": true };
    Secret: { "type": "string", "format": "password", "writeOnly": true, "x-text": true };
    HeaderValue: { "type": "string", "pattern": "^[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$" };
}

impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
