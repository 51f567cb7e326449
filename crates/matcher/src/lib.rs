//! Pure matching: which rule applies to a request, and whether a text contains what is looked for.
//!
//! | module | answers | at a cost of |
//! |---|---|---|
//! | [`host`] | do two spellings of a host mean the same, and is it one of these | the host's length |
//! | [`rules`] | which rule is the first to hold for a request | the request's length |
//! | [`exact`] | is a text one of these strings | the text's length |
//! | [`literal`] | does a text, whole or in chunks, contain one of these keywords | the text's length |
//! | [`regexes`] | … or match one of these regular expressions | the text's length, and the expressions with open repetitions |
//!
//! ```
//! use matcher::case::Case;
//! use matcher::host::HostPattern;
//! use matcher::literal::Literals;
//! use matcher::rules::{Attributes, Conditions, RuleIndex};
//!
//! struct Request;
//!
//! impl Attributes for Request {
//!     fn host(&mut self) -> Option<Vec<u8>> {
//!         Some(b"API.Example.com.:8443".to_vec())
//!     }
//!     fn route(&mut self) -> Option<Vec<u8>> {
//!         None
//!     }
//!     fn service(&mut self) -> Option<Vec<u8>> {
//!         None
//!     }
//! }
//!
//! let hosts = vec![HostPattern::parse("*.example.com")?];
//! let rules = RuleIndex::new([Conditions { hosts, ..Conditions::default() }]);
//! assert_eq!(rules.select(&mut Request), Some(0));
//!
//! let keywords = Literals::new(["swear", "москва"], Case::Insensitive)?;
//! let mut scanner = keywords.scanner();
//! assert_eq!(scanner.feed(&keywords, "из МОС".as_bytes()), None);
//! assert_eq!(scanner.feed(&keywords, "КВЫ, и МОСКВА".as_bytes()), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//!
//! - It compiles for any target, asks nothing of a host, and knows nothing of proxy-wasm.
//! - Nothing panics, whatever the configuration or the request: patterns are checked when a set is made, and
//!   requests are bytes, of which none is illegal.
//! - The cost of a search is linear in the text, and of a look-up in the request, even for a client that knows
//!   the configuration.
//! - A text gives the same answer in whatever chunks it comes.

pub mod case;
pub mod exact;
pub mod host;
mod identity;
pub mod literal;
pub mod regexes;
pub mod rules;
mod table;
