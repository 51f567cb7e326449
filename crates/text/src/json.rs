//! JSON (RFC 8259) that is read where it lies: values by their paths, and strings changed in place.
//!
//! A document is never turned into a tree: a number stays as it is written, keys keep their order, and an unknown field
//! is nobody's business. The whole document is checked all the same, because what is no JSON may mean one thing here
//! and another thing to who reads it next.

mod literal;
mod path;
mod scan;

pub use literal::{decode, encode, splice};
pub use path::{Names, PathError, Paths};
pub use scan::{Indexes, JsonError, Kind, Literal, MAX_LEVELS, Match, find, find_at, literals_at};
