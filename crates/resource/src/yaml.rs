//! YAML as a cluster reads it, with the place of everything in it.
//!
//! `kubectl` turns a resource into JSON by the rules of YAML 1.1 (`on` is true, `0777` is 511), rejects a
//! duplicate key, and an error in the resource comes back without a line. This reader follows the
//! same rules and knows where each value stands, so that the path of a [`ConfigError`](config::ConfigError) is
//! found in the text:
//!
//! ```
//! let text = "block_urls:\n- swagger.html\n- ''\n";
//! let documents = resource::yaml::read(text)?;
//! assert_eq!(documents[0].to_json()["block_urls"][0], "swagger.html");
//!
//! let place = documents[0].find("block_urls[1]");
//! assert_eq!((place.start.line, place.start.column), (3, 3));
//! # Ok::<(), resource::yaml::YamlError>(())
//! ```
//!
//! [`write()`] is the one writer of YAML of this project: texts that some reader would take for true or a number are in
//! quotes.

mod excerpt;
mod fault;
mod read;
mod scalar;
mod write;

use std::fmt;

use serde_json::{Map, Value};

pub use fault::Fault;
pub use read::read;
pub use write::{write, write_inline};

/// A place in a text: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// From where to where something stands; the end is the first place behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// The place behind its last character.
    pub end: Position,
}

impl Span {
    /// What is written there, if it is in one line.
    #[must_use]
    pub fn of(self, text: &str) -> Option<&str> {
        let line = text.lines().nth(self.start.line.checked_sub(1)?)?;
        let byte = |place: Position| {
            let mut starts = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            starts.nth(place.column.checked_sub(1)?)
        };
        (self.start.line == self.end.line).then(|| line.get(byte(self.start)?..byte(self.end)?))?
    }

    fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    span: Span,
    data: Data,
}

#[derive(Debug, Clone, PartialEq)]
enum Data {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    key: String,
    key_span: Span,
    value: Node,
}

impl Entry {
    fn span(&self) -> Span {
        self.key_span.to(self.value.span)
    }
}

impl Node {
    /// The value as JSON, its keys in the order of the text.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(entries) => entries.iter().map(Node::to_json).collect(),
            Data::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The value of a key, where this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }

    /// The entries of a list; none where this is none.
    #[must_use]
    pub fn entries(&self) -> &[Node] {
        match &self.data {
            Data::List(entries) => entries,
            Data::Scalar(_) | Data::Map(_) => &[],
        }
    }

    /// The keys of an object, where they stand, and their values, in the order of the text; none where this is none.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Span, &Node)> {
        let entries = match &self.data {
            Data::Map(entries) => entries.as_slice(),
            Data::Scalar(_) | Data::List(_) => &[],
        };
        entries.iter().map(|entry| (entry.key.as_str(), entry.key_span, &entry.value))
    }

    /// Where the value itself stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The value at `path` (`_rules_[3].block_urls[0]`), counted from here, where there is one.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        let (mut node, mut rest) = (self, path);
        while !rest.is_empty() {
            (_, node, rest) = node.step(rest)?;
        }
        Some(node)
    }

    /// Where `path` (`_rules_[3].block_urls[0]`) stands, counted from here: a field with its key, an entry of
    /// a list alone. What is not there (a missing field, one that a rule inherits) is where it would be: in
    /// the innermost value of the path that is.
    #[must_use]
    pub fn find(&self, path: &str) -> Span {
        let mut place = self.span;
        let (mut node, mut rest) = (self, path);
        while let Some((span, next, tail)) = node.step(rest) {
            (place, node, rest) = (span, next, tail);
        }
        place
    }

    /// Goes to the first key or index of a path: its place, its value, and the path from there.
    fn step<'p>(&self, path: &'p str) -> Option<(Span, &Node, &'p str)> {
        match &self.data {
            Data::Scalar(_) => None,
            Data::List(entries) => {
                let (index, tail) = path.strip_prefix('[')?.split_once(']')?;
                let entry = entries.get(index.parse::<usize>().ok()?)?;
                Some((entry.span, entry, tail))
            }
            // A key may hold dots and brackets itself: the longest that fits is meant.
            Data::Map(entries) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let tail = |entry: &Entry| {
                    let tail = path.strip_prefix(entry.key.as_str())?;
                    (tail.is_empty() || tail.starts_with(['.', '['])).then_some(tail)
                };
                let fits = entries.iter().filter_map(|entry| Some((entry, tail(entry)?)));
                let (entry, tail) = fits.min_by_key(|(_, tail)| tail.len())?;
                Some((entry.span(), &entry.value, tail))
            }
        }
    }
}

/// The reason that a text is not valid YAML for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// Where reading stopped.
    pub position: Position,
    /// What is wrong there and what to write instead.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "line {line}, column {column}: {}", self.message)
    }
}

impl std::error::Error for YamlError {}

#[cfg(test)]
mod tests;
