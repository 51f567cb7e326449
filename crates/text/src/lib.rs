//! Formats that texts travel in, read and changed in place.
//!
//! | module | what it does |
//! |---|---|
//! | [`json`] | finds values in a document by path, and changes strings while all else stays byte for byte |
//! | [`hex`] | bytes as hexadecimal digits |
//! | [`sse`] | server-sent events, in whatever pieces they come |
//!
//! ```
//! use text::json::{self, Paths};
//!
//! let document = br#"{"messages": [{"role": "user", "content": "call \u0031\u0032"}], "n": 1.0e0}"#;
//! let paths = Paths::new(&["$.messages[*].content"])?;
//! let found = json::find(document, &paths)?;
//! let literal = found.first().and_then(|found| document.get(found.span.clone())).ok_or("found")?;
//! assert_eq!(json::decode(literal).ok_or("a string")?, "call 12");
//! let changed = json::splice(literal, &[(5..7, "**")]).ok_or("a string")?;
//! assert_eq!(changed, br#""call **""#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//!
//! - Nothing panics, whatever the bytes, and nothing recurses, however deeply they are nested.
//! - What is read costs time that is linear in it, in whatever pieces it comes.
//! - What is not asked to change stays byte for byte.

pub mod hex;
pub mod json;
pub mod sse;
