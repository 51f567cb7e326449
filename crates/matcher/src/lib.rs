//! Pure matching: which rule applies to a request, and whether a text contains what is looked for.
//!
//! | module | answers | at a cost of |
//! |---|---|---|
//! | [`host`] | do two spellings of a host mean the same, and is it one of these | the host's length |
//! | [`rules`] | which rule is the first to hold for a request | the request's length |
//! | [`path`] | may, or must, a server read a path so that it meets a condition | the path's length |
//! | [`ip`] | is an address in one of these networks | the logarithm of their number |
//! | [`exact`] | is a text one of these strings | the text's length |
//! | [`literal`] | does a text, whole or in chunks, contain one of these keywords | the text's length |
//! | [`regexes`] | … or match one of these regular expressions | the text's length, and the expressions with open repetitions |
//! | [`words`] | where does the next denied word stand in a text, of which more may come | the text's length, times the longest word's at worst |
//!
//! ```
//! use matcher::case::Case;
//! use matcher::host::HostPattern;
//! use matcher::ip::{IpRange, IpSet, parse_ip};
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
//!     fn consumer(&mut self) -> Option<Vec<u8>> {
//!         None
//!     }
//! }
//!
//! let hosts = vec![HostPattern::parse("*.example.com")?];
//! let rules = RuleIndex::new([Conditions { hosts, ..Conditions::default() }]);
//! assert_eq!(rules.select(&mut Request), Some(0));
//!
//! let offices = IpSet::new([IpRange::parse("192.0.2.0/24")?, IpRange::parse("2001:db8::/32")?]);
//! let client = parse_ip(b"[::ffff:192.0.2.7]:51234").ok_or("an address")?;
//! assert!(offices.contains(client));
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
//!   the configuration. (Among addresses a look-up costs the logarithm of their number.)
//! - A text gives the same answer in whatever chunks it comes.

pub mod case;
pub mod exact;
pub mod host;
mod identity;
pub mod ip;
pub mod literal;
pub mod path;
pub mod regexes;
pub mod replace;
pub mod rules;
mod table;
pub mod words;
