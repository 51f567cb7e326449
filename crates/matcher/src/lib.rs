//! Matching of texts, paths and addresses.
//!
//! The selection of rules is in [`config::rules`], so that tools can use it without these engines.
//!
//! | module | question | cost |
//! |---|---|---|
//! | [`path`] | may, or must, a server interpret a path so that it meets a condition | the length of the path |
//! | [`ip`] | is an address in one of these networks | the logarithm of their number |
//! | [`exact`] | is a text equal to one of these strings | the length of the text |
//! | [`literal`] | does a text, as a whole or in chunks, contain one of these keywords | the length of the text |
//! | [`regexes`] | does it match one of these regular expressions | the length of the text, and the number of expressions with open repetitions |
//! | [`grok`] | what is the regular expression of `%{NAME}` | the length of the pattern |
//! | [`template`] | what is a text with the groups of an expression in it | the length of the text |
//! | [`words`] | where is the next denied word in a text that may be incomplete | the length of the text, at worst times that of the longest word |
//!
//! ```
//! use matcher::case::Case;
//! use matcher::ip::{IpRange, IpSet, parse_ip};
//! use matcher::literal::Literals;
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
//! - It compiles for any target, and does not depend on proxy-wasm or a host.
//! - No configuration or request causes a panic: patterns are validated when a set is created, and any bytes are valid
//!   input.
//! - The cost of a search is linear in the length of the text, even for clients that know the configuration. (The cost of
//!   looking up an address is logarithmic in the number of networks.)
//! - The result for a text does not depend on its chunks.

pub mod case;
pub mod exact;
pub mod grok;
mod identity;
pub mod ip;
pub mod literal;
pub mod path;
pub mod regexes;
pub mod replace;
pub mod template;
pub mod words;
