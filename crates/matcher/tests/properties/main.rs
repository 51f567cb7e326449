//! Each way of matching against its plain definition, and everything against arbitrary input.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod exact;
mod ip;
mod literal;
mod path;
mod regexes;
mod texts;
mod words;
