//! JSON Schema of drafts 4, 7 and 2020-12, for documents that attackers write.
//!
//! ```
//! use json_schema::{Draft, Json, Options, Schema};
//!
//! let text = r#"{ "type": "object", "required": ["name"], "properties": { "name": { "type": "string", "maxLength": 5 } } }"#;
//! let schema = Schema::new(&serde_json::from_str(text)?, Options { draft: Draft::Draft7, formats: true })?;
//! assert_eq!(schema.validate(&Json::parse(br#"{ "name": "abc" }"#)?, 1000), Ok(()));
//! let invalid = schema.validate(&Json::parse(br#"{ "name": "abcdef" }"#)?, 1000).unwrap_err();
//! assert_eq!(invalid.to_string(), "/name: is longer than `maxLength` (/properties/name/maxLength)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//!
//! - No schema or document causes a panic, or exhausts the stack.
//! - A validation does as many steps as its caller permits: what combinations of references and alternatives multiply, and what
//!   documents repeat, ends with [`Invalid::Exhausted`]. A step is a part of the schema that is applied to a value, or a
//!   few bytes that are compared or searched.
//! - `pattern` is RE2, the syntax of all expressions in configurations, and linear in the length of the text.
//! - Nothing is fetched. A reference to another document is an error of the schema.

mod compile;
mod error;
mod format;
mod schema;
mod uri;
mod validate;
mod value;

pub use error::{Invalid, SchemaError};
pub use schema::{Draft, Options, Schema};
pub use value::{Json, NotJson, Number};
