//! Pure matching: whether a text, a path or an address contains what is looked for.
//!
//! The selection of a rule is in [`config::rules`], so that tools have it without these engines.
//!
//! | module | answers | at a cost of |
//! |---|---|---|
//! | [`path`] | may, or must, a server read a path so that it meets a condition | the path's length |
//! | [`ip`] | is an address in one of these networks | the logarithm of their number |
//! | [`exact`] | is a text one of these strings | the text's length |
//! | [`literal`] | does a text, whole or in chunks, contain one of these keywords | the text's length |
//! | [`regexes`] | … or match one of these regular expressions | the text's length, and the expressions with open repetitions |
//! | [`grok`] | which expression does `%{NAME}` stand for | the pattern's length |
//! | [`words`] | where does the next denied word stand in a text, of which more may come | the text's length, times the longest word's at worst |
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
//! - It compiles for any target, asks nothing of a host, and knows nothing of proxy-wasm.
//! - Nothing panics, whatever the configuration or the request: patterns are checked when a set is made, and
//!   requests are bytes, of which none is illegal.
//! - The cost of a search is linear in the text, and of a look-up in the request, even for a client that knows
//!   the configuration. (Among addresses a look-up costs the logarithm of their number.)
//! - A text gives the same answer in whatever chunks it comes.

pub mod case;
pub mod exact;
pub mod grok;
mod identity;
pub mod ip;
pub mod literal;
pub mod path;
pub mod regexes;
pub mod replace;
pub mod words;
