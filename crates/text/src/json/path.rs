//! Paths to values: the part of JSONPath (RFC 9535) that can be evaluated while a document is read.
//!
//! Names, wildcards, indexes, slices, unions of them, and descendants are supported. Filters and indexes from the end depend on
//! later values; they are errors when a path is parsed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::Range;

/// The maximum number of segments of a path.
const MAX_SEGMENTS: usize = 63;

/// Paths that are evaluated together as an automaton, in which common prefixes are shared.
#[derive(Debug, Clone)]
pub struct Paths {
    nodes: Vec<Node>,
    count: usize,
}

/// A state of the automaton.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The paths that select a value in this state.
    ends: Vec<usize>,
    edges: Vec<Edge>,
    /// True if it also applies at all depths below (`..`).
    stays: bool,
    /// The node of that kind that is reached together with this one.
    deeper: Option<usize>,
}

/// A step from a node to the next one.
#[derive(Debug, Clone)]
struct Edge {
    selectors: Vec<Selector>,
    to: usize,
}

/// A segment of a path.
#[derive(Debug)]
struct Segment {
    /// True if it applies at any depth (`..`).
    descendant: bool,
    selectors: Vec<Selector>,
}

/// The comparison of names in paths and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Bytes are compared, like in JSONPath.
    Exact,
    /// Case is ignored, like in `encoding/json` of Go: `ſ` (U+017F) is equal to `s`, and the Kelvin sign (U+212A) to `k`.
    AnyCase,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Name(String),
    /// A name in any case; stored in lower case.
    AnyCase(String),
    Any,
    Index(usize),
    /// Start, end (exclusive) and step.
    Slice(usize, Option<usize>, usize),
}

/// A step in a document.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl Selector {
    fn takes(&self, step: Step<'_>) -> bool {
        match (self, step) {
            (Self::Any, _) => true,
            (Self::Name(name), Step::Name(key)) => name == key,
            (Self::AnyCase(name), Step::Name(key)) => is_in_any_case(name, key),
            (Self::Index(wanted), Step::Index(index)) => *wanted == index,
            (Self::Slice(from, to, every), Step::Index(index)) => {
                let offset = index.checked_sub(*from);
                to.is_none_or(|to| index < to) && offset.is_some_and(|offset| offset.is_multiple_of(*every))
            }
            _ => false,
        }
    }

    /// Returns the same selector with a name in any case.
    fn in_any_case(self) -> Self {
        match self {
            Self::Name(name) => Self::AnyCase(name.chars().map(lower).collect()),
            other => other,
        }
    }
}

/// Returns true if a key is equal to a name in lower case, ignoring case.
fn is_in_any_case(name: &str, key: &str) -> bool {
    if key.len() < name.len() {
        return false;
    }
    let mut rest = key.as_bytes();
    for letter in name.bytes() {
        rest = match rest {
            [first, rest @ ..] if first.to_ascii_lowercase() == letter => rest,
            // U+017F, and U+212A.
            [0xc5, 0xbf, rest @ ..] if letter == b's' => rest,
            [0xe2, 0x84, 0xaa, rest @ ..] if letter == b'k' => rest,
            _ => return false,
        };
    }
    rest.is_empty()
}

/// Returns a character in lower case, if the result is ASCII.
fn lower(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], count: 0 }
    }
}

impl Paths {
    /// Parses paths: `$.messages[*].content`, `$['a b'][0]`, `$..text`.
    ///
    /// # Errors
    ///
    /// The first path that is invalid or not supported.
    pub fn new<S: AsRef<str>>(paths: &[S]) -> Result<Self, PathError> {
        Self::default().with(paths, Names::Exact)
    }

    /// Adds paths, which are numbered after the existing ones.
    ///
    /// # Errors
    ///
    /// The same as those of [`Paths::new`].
    pub fn with<S: AsRef<str>>(mut self, paths: &[S], names: Names) -> Result<Self, PathError> {
        for path in paths {
            let mut segments = read(path.as_ref())?;
            if names == Names::AnyCase {
                for segment in &mut segments {
                    let selectors = std::mem::take(&mut segment.selectors);
                    segment.selectors = selectors.into_iter().map(Selector::in_any_case).collect();
                }
            }
            self.add(segments);
        }
        Ok(self)
    }

    /// Returns the number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns true if there are no paths.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, segments: Vec<Segment>) {
        let mut at = 0;
        for segment in segments {
            if segment.descendant {
                at = match self.nodes.get(at).and_then(|node| node.deeper) {
                    Some(deeper) => deeper,
                    None => {
                        let deeper = self.push(Node { stays: true, ..Node::default() });
                        if let Some(node) = self.nodes.get_mut(at) {
                            node.deeper = Some(deeper);
                        }
                        deeper
                    }
                };
            }
            let known = self.nodes.get(at).and_then(|node| {
                node.edges.iter().find(|edge| edge.selectors == segment.selectors).map(|edge| edge.to)
            });
            at = known.unwrap_or_else(|| {
                let to = self.push(Node::default());
                if let Some(node) = self.nodes.get_mut(at) {
                    node.edges.push(Edge { selectors: segment.selectors, to });
                }
                to
            });
        }
        let path = self.count;
        self.count += 1;
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends.push(path);
        }
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Appends the nodes of the root value.
    pub(super) fn start(&self, into: &mut Vec<usize>) {
        self.reach(0, 0, into);
    }

    /// Appends the nodes that a step reaches from those in `from`, without duplicates, so that their number is bounded at any
    /// depth.
    pub(super) fn step(&self, from: Range<usize>, step: Step<'_>, into: &mut Vec<usize>) {
        let new = into.len();
        for place in from {
            let Some(at) = into.get(place).copied() else { return };
            let Some(node) = self.nodes.get(at) else { continue };
            if node.stays {
                self.reach(at, new, into);
            }
            for edge in &node.edges {
                if edge.selectors.iter().any(|selector| selector.takes(step)) {
                    self.reach(edge.to, new, into);
                }
            }
        }
    }

    /// Appends a node and its `..` node, unless they are after `new` already.
    fn reach(&self, node: usize, new: usize, into: &mut Vec<usize>) {
        let deeper = self.nodes.get(node).and_then(|node| node.deeper);
        for node in std::iter::once(node).chain(deeper) {
            if !into.get(new..).is_some_and(|reached| reached.contains(&node)) {
                into.push(node);
            }
        }
    }

    /// Returns the paths that select a value at a node.
    pub(super) fn ends(&self, node: usize) -> &[usize] {
        self.nodes.get(node).map_or(&[], |node| &node.ends)
    }
}

/// The error for an invalid path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// The rest of the path, from the error.
    at: String,
    what: &'static str,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.is_empty() {
            true => write!(f, "{}", self.what),
            false => write!(f, "at `{}`: {}", self.at, self.what),
        }
    }
}

impl Error for PathError {}

fn read(path: &str) -> Result<Vec<Segment>, PathError> {
    let Some(rest) = path.strip_prefix('$') else {
        return Err(PathError {
            at: path.into(),
            what: "a path begins with `$`: write it as in `$.messages[*].content`",
        });
    };
    let mut reader = Reader { rest };
    let mut segments = Vec::new();
    while !reader.rest.is_empty() {
        if segments.len() == MAX_SEGMENTS {
            return reader.error("a path has 63 steps at most");
        }
        segments.push(reader.segment()?);
    }
    Ok(segments)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn segment(&mut self) -> Result<Segment, PathError> {
        let descendant = self.skip("..");
        if self.skip("[") {
            return Ok(Segment { descendant, selectors: self.bracket()? });
        }
        if !descendant && !self.skip(".") {
            return self.error("write `.name`, `..name` or `[…]`");
        }
        let selector = if self.skip("*") { Selector::Any } else { Selector::Name(self.shorthand()?) };
        Ok(Segment { descendant, selectors: vec![selector] })
    }

    /// Parses a name without quotes.
    fn shorthand(&mut self) -> Result<String, PathError> {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return self
                .error("expected a name: write other names than `letters_and_digits` as `['a name']`");
        }
        self.rest = rest;
        Ok(name.into())
    }

    /// Parses the content of brackets, after the opening bracket.
    fn bracket(&mut self) -> Result<Vec<Selector>, PathError> {
        let mut selectors = Vec::new();
        loop {
            self.skip_space();
            selectors.push(self.selector()?);
            self.skip_space();
            if self.skip("]") {
                return Ok(selectors);
            }
            if !self.skip(",") {
                return self.error("expected `,` or `]`");
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, PathError> {
        if self.skip("*") {
            return Ok(Selector::Any);
        }
        if self.rest.starts_with('?') {
            return self.error("filters are not known here: name the field");
        }
        if let Some(quote) = self.rest.chars().next().filter(|c| "'\"".contains(*c)) {
            return self.quoted(quote).map(Selector::Name);
        }
        let from = self.number()?;
        self.skip_space();
        if !self.skip(":") {
            return from
                .map(Selector::Index)
                .map_or_else(|| self.error("expected an index or a name in quotes"), Ok);
        }
        self.skip_space();
        let to = self.number()?;
        self.skip_space();
        let every = if self.skip(":") { self.number()? } else { None };
        if every == Some(0) {
            return self.error("a slice with a step of 0 names nothing: write 1 or more");
        }
        Ok(Selector::Slice(from.unwrap_or(0), to, every.unwrap_or(1)))
    }

    fn number(&mut self) -> Result<Option<usize>, PathError> {
        self.skip_space();
        if self.rest.starts_with('-') {
            return self
                .error("counting from the end is not known here: count from the start, or write `[*]`");
        }
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        if digits.is_empty() {
            return Ok(None);
        }
        if digits.len() > 1 && digits.starts_with('0') {
            return self.error("an index has no leading zeros");
        }
        let Ok(number) = digits.parse() else { return self.error("the number is too large") };
        self.rest = rest;
        Ok(Some(number))
    }

    /// Parses a name in single or double quotes.
    fn quoted(&mut self, quote: char) -> Result<String, PathError> {
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            if character == '\\' {
                characters.next();
            } else if character == quote {
                let (literal, rest) = self.rest.split_at_checked(index + 1).unwrap_or_default();
                // The other kind of quote needs no backslash, but that of JSON does.
                let inner = literal.get(1..index).unwrap_or_default();
                let json = match quote {
                    '\'' => format!("\"{}\"", inner.replace("\\'", "'").replace('"', "\\\"")),
                    _ => literal.to_owned(),
                };
                let Some(name) = super::decode(json.as_bytes()).map(Cow::into_owned) else {
                    return self.error("no such escape in a name");
                };
                self.rest = rest;
                return Ok(name);
            }
        }
        self.error("the name's closing quote is missing")
    }

    fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn error<T>(&self, what: &'static str) -> Result<T, PathError> {
        Err(PathError { at: self.rest.into(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_cannot_be_followed_are_refused() {
        for (path, words) in [
            ("", "a path begins with `$`"),
            ("messages", "`$.messages[*].content`"),
            ("$.", "expected a name"),
            ("$a", "write `.name`"),
            ("$..", "expected a name"),
            ("$.1", "['a name']"),
            ("$.a b", "write `.name`"),
            ("$[?@.a]", "filters are not known here"),
            ("$[-1]", "counting from the end"),
            ("$[1:-1]", "counting from the end"),
            ("$[::0]", "step of 0"),
            ("$[01]", "leading zeros"),
            ("$[99999999999999999999]", "too large"),
            ("$['a]", "closing quote"),
            ("$['\\x']", "no such escape"),
            ("$[a]", "a name in quotes"),
            ("$[0", "`,` or `]`"),
        ] {
            let error = Paths::new(&[path]).unwrap_err().to_string();
            assert!(error.contains(words), "{path}: {error}");
        }
        assert!(Paths::new(&[format!("${}", ".a".repeat(63))]).is_ok());
        assert!(Paths::new(&[format!("${}", ".a".repeat(64))]).is_err());
    }
}
