//! Formats of bodies, which are read and changed in place, and of the parts of requests.
//!
//! | module | what it does |
//! |---|---|
//! | [`chat`] | requests to models, and their answers |
//! | [`json`] | finds values in a document by path, and changes them without changing other bytes |
//! | [`cookies`] | cookies in a header |
//! | [`date`] | dates in headers |
//! | [`hex`] | bytes as hexadecimal digits |
//! | [`multipart`] | fields of `multipart/form-data`, as they arrive |
//! | [`pairs`] | parameters of queries and forms, and headers, changed in place |
//! | [`percent`] | percent-encoding |
//! | [`query`] | parameters in a query |
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

pub mod chat;
pub mod cookies;
pub mod date;
mod groups;
pub mod hex;
pub mod json;
pub mod multipart;
pub mod pairs;
pub mod percent;
pub mod query;
pub mod sse;
mod thousands;

pub use thousands::thousands;

/// Splits a pair at the first `=`. Without one, the value is empty.
fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}
