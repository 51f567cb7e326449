//! What an operator writes, and what comes of it.
//!
//! A gateway hands a plug-in one JSON document: the plug-in's own fields, which apply to every request
//! (the *global* configuration), and `_rules_`, a list in which each rule has conditions
//! (`_match_route_`, `_match_domain_`, `_match_service_`, `_match_route_prefix_`, `_match_consumer_`) and
//! fields of its own.
//! [`Document`] reads it straight into the plug-in's types and refuses what is wrong with an error that
//! names the field and says what to write instead:
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
//! assert!(document.global.is_none(), "a request that no rule matches passes untouched");
//! assert!(document.rules[0].conditions.hosts[0].matches(b"api.example.com"));
//!
//! let bad = br#"{"_rules_": [{"_match_domain_": ["*.example.com"], "block_urls": [""]}]}"#;
//! let error = Document::<Block>::from_json(bad).err().expect("an empty pattern is refused");
//! assert_eq!(
//!     error.to_string(),
//!     "_rules_[0].block_urls[0]: must not be empty: write at least one character, or remove the entry"
//! );
//! # Ok::<(), config::ConfigError>(())
//! ```
//!
//! # Invariants
//!
//! - A document is taken whole or not at all.
//! - A key that the plug-in does not know is an error here, whatever its author remembered to write.
//! - No value from a document appears in an error, because it may be a credential; its kind and place do.
//! - Nothing here panics on any input; JSON nested deeper than 128 levels is refused.

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
    HeaderName, HeaderValue, NonEmptyString, RequestHeaderName, Secret, ServiceName, SettableHeaderName,
    StatusCode, Text,
};
pub use configuration::Configuration;
pub use document::{Document, Rule};
pub use error::{ConfigError, FieldError};
#[cfg(not(target_family = "wasm"))]
pub use every::{Every, MAX_ERRORS};
pub use suggest::nearest;
