//! Formats of bodies, which are read and changed in place.
//!
//! | module | what it does |
//! |---|---|
//! | [`json`] | finds values in a document by path, and changes strings without changing other bytes |
//! | [`hex`] | bytes as hexadecimal digits |
//! | [`sse`] | server-sent events in any chunks |
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
//! - No input causes a panic, and there is no recursion, so any nesting is safe.
//! - The cost is linear in the size of the input, in any chunks.
//! - Bytes that are not replaced stay unchanged.

pub mod hex;
pub mod json;
pub mod sse;
mod thousands;

pub use thousands::thousands;
