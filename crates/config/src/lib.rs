//! The configuration document of a plug-in.
//!
//! A gateway passes one JSON document to a plug-in: fields of the plug-in, which apply to all requests (the *global*
//! configuration), and `_rules_`, a list of rules with conditions (`_match_route_`, `_match_domain_`, `_match_service_`,
//! `_match_route_prefix_`, `_match_consumer_`) and their own fields.
//!
//! [`Document`] deserializes it into the plug-in's types. Errors contain the path of the field and what to write instead:
//!
//! ```
//! use config::Document;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Block {
//!     block_urls: Vec<config::NonEmptyString>,
//! }
//!
//! let good = br#"{"_rules_": [{"_match_domain_": ["*.example.com"], "block_urls": ["admin"]}]}"#;
//! let document = Document::<Block>::from_json(good)?;
//! assert!(document.global.is_none(), "without a matching rule, the plug-in does not run");
//! assert!(document.rules[0].conditions.hosts[0].matches(b"api.example.com"));
//!
//! let bad = br#"{"_rules_": [{"_match_domain_": ["*.example.com"], "block_urls": [""]}]}"#;
//! let error = Document::<Block>::from_json(bad).err().expect("empty patterns are invalid");
//! assert_eq!(
//!     error.to_string(),
//!     "_rules_[0].block_urls[0]: must not be empty: write at least one character, or remove the entry"
//! );
//! # Ok::<(), config::ConfigError>(())
//! ```
//!
//! # Invariants
//!
//! - If any of a document is invalid, all of it is rejected.
//! - Unknown keys are errors, without any code in the plug-in.
//! - Errors contain the kind and path of a value, never the value itself, which may be a credential.
//! - No input causes a panic; JSON that is nested deeper than 128 levels is rejected.

mod checked;
mod configuration;
mod document;
mod error;
pub mod host;
mod inherit;
mod names;
mod path;
pub mod reserved;
pub mod rules;
mod source;
mod strict;
mod suggest;
#[doc(hidden)]
pub mod table;

#[cfg(not(target_family = "wasm"))]
mod every;
#[cfg(not(target_family = "wasm"))]
pub mod hints;
#[cfg(all(feature = "schema", not(target_family = "wasm")))]
pub mod schema;

pub use checked::{
    HeaderName, HeaderValue, Json, NonEmptyString, PathSuffix, RequestHeaderName, Secret, ServiceName,
    SettableHeaderName, StatusCode, Text,
};
pub use configuration::{Configuration, RuleFields};
pub use document::{Document, Rule};
pub use error::{ConfigError, FieldError};
#[cfg(not(target_family = "wasm"))]
pub use every::{Every, MAX_ERRORS};
pub use suggest::nearest;
