//! JSON (RFC 8259) in place: values are found by path, and strings are replaced.
//!
//! A document is not converted into a tree: numbers stay as they are written, keys keep their order, and unknown fields are
//! ignored. The complete document is validated nevertheless, because other readers may interpret invalid JSON differently.

mod dot;
pub mod edit;
mod literal;
mod path;
mod scan;

pub use dot::{DotPath, DotPathError};
pub use literal::{decode, encode, splice};
pub use path::{Names, PathError, Paths};
pub use scan::{Indexes, JsonError, Kind, Literal, MAX_LEVELS, Match, find, find_at, literals_at};
pub(crate) use scan::{plain, plain_text};
