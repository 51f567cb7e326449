//! Scans a document once: validates its grammar, and collects the values that paths select.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, Range};

use super::literal::decode;
use super::path::{Paths, Step};

/// The maximum depth of nested values. Each level takes memory, and clients choose the depth.
pub const MAX_LEVELS: usize = 16_384;

/// The maximum number of array indexes that are reported for a value.
const MAX_INDEXES: usize = 4;

/// The first four array indexes on the path to a value, from the outermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Indexes {
    indexes: [usize; MAX_INDEXES],
    count: usize,
}

impl Deref for Indexes {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        self.indexes.get(..self.count).unwrap_or(&self.indexes)
    }
}

impl FromIterator<usize> for Indexes {
    /// The first four.
    fn from_iter<I: IntoIterator<Item = usize>>(all: I) -> Self {
        let mut indexes = Self::default();
        for (place, index) in indexes.indexes.iter_mut().zip(all) {
            *place = index;
            indexes.count += 1;
        }
        indexes
    }
}

/// A value that a path selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The number of the path. A value that several paths select is reported once for each.
    pub path: usize,
    /// The indexes in the arrays that contain it.
    pub indexes: Indexes,
    /// The start of the array or object that contains it, which distinguishes objects with the same key.
    pub within: usize,
    /// The range of its bytes in the document, including the quotes of a string.
    pub span: Range<usize>,
    /// The kind of value.
    pub kind: Kind,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; [`decode`] returns its text.
    String,
    /// A number, including `NaN`, `Infinity` and `-Infinity`, which are not JSON but written by Python.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The error for invalid JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// The position in bytes from the start of the document.
    pub offset: usize,
    /// The message.
    pub what: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.what)
    }
}

impl Error for JsonError {}

/// A string or a number anywhere in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The range of its bytes in the document, including the quotes of a string.
    pub span: Range<usize>,
    /// True if it is a string or a key.
    pub is_string: bool,
}

/// Finds the values that paths select, in the order of their starts. If an object has duplicate keys, all of them are
/// reported, because readers differ in which they use.
///
/// # Errors
///
/// The document is not valid JSON or UTF-8, or nested more deeply than [`MAX_LEVELS`].
pub fn find(document: &[u8], paths: &Paths) -> Result<Vec<Match>, JsonError> {
    let mut scan = Scan::new(text(document)?, 0, paths, None);
    scan.run(true)?;
    Ok(scan.found)
}

/// Finds the values that paths select in the document that begins at `from` in a text, and returns the end of the document,
/// which another one may follow.
///
/// # Errors
///
/// The same as those of [`find`].
pub fn find_at(text: &str, from: usize, paths: &Paths) -> Result<(Vec<Match>, usize), JsonError> {
    let mut scan = Scan::new(text, from, paths, None);
    scan.run(false)?;
    Ok((scan.found, scan.at))
}

/// Returns all strings and numbers of the document that begins at `from` in a text, in order, and the end of the document.
///
/// # Errors
///
/// The same as those of [`find`].
pub fn literals_at(text: &str, from: usize) -> Result<(Vec<Literal>, usize), JsonError> {
    let paths = Paths::default();
    let mut scan = Scan::new(text, from, &paths, Some(Vec::new()));
    scan.run(false)?;
    Ok((scan.literals.unwrap_or_default(), scan.at))
}

fn text(document: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(document)
        .map_err(|error| JsonError { offset: error.valid_up_to(), what: "is not UTF-8" })
}

/// An open array or object.
struct Level {
    kind: Kind,
    start: usize,
    /// The index of the current value of an array.
    index: usize,
    /// The matches of the array or object itself, whose end is not known yet.
    found: Range<usize>,
    /// The start of its nodes.
    reached: Range<usize>,
}

struct Scan<'a> {
    text: &'a str,
    /// Its bytes.
    document: &'a [u8],
    at: usize,
    paths: &'a Paths,
    levels: Vec<Level>,
    /// The nodes of all open levels, followed by those of the current value.
    nodes: Vec<usize>,
    /// The start of the nodes of the current value.
    here: usize,
    /// The number of open arrays, and the indexes in the outer ones.
    arrays: usize,
    indexes: [usize; MAX_INDEXES],
    found: Vec<Match>,
    /// All strings and numbers, if requested.
    literals: Option<Vec<Literal>>,
}

/// The expected next token.
enum Next {
    Value,
    /// After `[`: a value or the end.
    FirstValue,
    /// After `{`: a key or the end.
    FirstKey,
    Key,
    /// After a value.
    CommaOrEnd,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, from: usize, paths: &'a Paths, literals: Option<Vec<Literal>>) -> Self {
        let mut nodes = Vec::new();
        paths.start(&mut nodes);
        Self {
            text,
            document: text.as_bytes(),
            at: from,
            paths,
            levels: Vec::new(),
            nodes,
            here: 0,
            arrays: 0,
            indexes: [0; MAX_INDEXES],
            found: Vec::new(),
            literals,
        }
    }

    /// Reads the value of a document. If it is `alone`, only white space may follow.
    fn run(&mut self, alone: bool) -> Result<(), JsonError> {
        let mut next = Next::Value;
        loop {
            if !alone && self.levels.is_empty() && matches!(next, Next::CommaOrEnd) {
                return Ok(());
            }
            self.skip_space();
            next = match (next, self.peek()) {
                (Next::FirstValue, Some(b']')) | (Next::FirstKey, Some(b'}')) => self.close(),
                (Next::FirstValue, _) => {
                    self.step(Step::Index(0));
                    self.value()?
                }
                (Next::Value, _) => self.value()?,
                (Next::FirstKey | Next::Key, _) => {
                    self.key()?;
                    Next::Value
                }
                (Next::CommaOrEnd, byte) => match (self.levels.last_mut(), byte) {
                    (None, None) => return Ok(()),
                    (None, Some(_)) => return self.error("nothing may follow the document's value"),
                    (Some(level), Some(b',')) if level.kind == Kind::Array => {
                        level.index += 1;
                        let index = level.index;
                        if let Some(outer) = self.indexes.get_mut(self.arrays - 1) {
                            *outer = index;
                        }
                        self.at += 1;
                        self.step(Step::Index(index));
                        Next::Value
                    }
                    (Some(_), Some(b',')) => {
                        self.at += 1;
                        Next::Key
                    }
                    (Some(Level { kind: Kind::Array, .. }), Some(b']')) => self.close(),
                    (Some(Level { kind: Kind::Object, .. }), Some(b'}')) => self.close(),
                    _ => return self.error("expected a comma or the end of the array or object"),
                },
            };
        }
    }

    /// Reads a value whose nodes are known.
    fn value(&mut self) -> Result<Next, JsonError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => {
                self.string()?;
                Kind::String
            }
            Some(b'{') => return self.open(Kind::Object),
            Some(b'[') => return self.open(Kind::Array),
            Some(b't') => self.word(b"true", Kind::Bool)?,
            Some(b'f') => self.word(b"false", Kind::Bool)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => {
                self.number()?;
                self.note_literal(start, false);
                Kind::Number
            }
            _ => return self.error("expected a value"),
        };
        self.note(start, kind);
        Ok(Next::CommaOrEnd)
    }

    fn open(&mut self, kind: Kind) -> Result<Next, JsonError> {
        if self.levels.len() == MAX_LEVELS {
            return self.error("is nested too deeply");
        }
        let before = self.found.len();
        self.note(self.at, kind);
        if kind == Kind::Array {
            if let Some(index) = self.indexes.get_mut(self.arrays) {
                *index = 0;
            }
            self.arrays += 1;
        }
        let reached = self.here..self.nodes.len();
        self.levels.push(Level { kind, start: self.at, index: 0, found: before..self.found.len(), reached });
        self.at += 1;
        Ok(if kind == Kind::Array { Next::FirstValue } else { Next::FirstKey })
    }

    fn close(&mut self) -> Next {
        self.at += 1;
        if let Some(level) = self.levels.pop() {
            for found in self.found.get_mut(level.found).unwrap_or_default() {
                found.span.end = self.at;
            }
            self.arrays -= usize::from(level.kind == Kind::Array);
        }
        Next::CommaOrEnd
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.error("expected a key in quotes");
        }
        let escaped = self.string()?;
        // If no path continues here, the key need not be decoded.
        let is_read = self.levels.last().is_some_and(|level| !level.reached.is_empty());
        if is_read && escaped {
            let literal = self.document.get(start..self.at).unwrap_or_default();
            self.step(Step::Name(&decode(literal).unwrap_or_default()));
        } else {
            let written = self.text.get(start + 1..self.at - 1).filter(|_| is_read);
            self.step(Step::Name(written.unwrap_or_default()));
        }
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.error("expected a colon after the key");
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Evaluates the paths for a value of the innermost level.
    fn step(&mut self, step: Step<'_>) {
        let Some(level) = self.levels.last() else { return };
        let from = level.reached.clone();
        self.nodes.truncate(from.end);
        self.here = from.end;
        self.paths.step(from, step, &mut self.nodes);
    }

    /// Records the value that begins at `start`. Unless it is an array or object, it has been read.
    fn note(&mut self, start: usize, kind: Kind) {
        for node in self.nodes.get(self.here..).unwrap_or_default() {
            for path in self.paths.ends(*node) {
                let indexes = Indexes { indexes: self.indexes, count: self.arrays.min(MAX_INDEXES) };
                let within = self.levels.last().map_or(0, |level| level.start);
                self.found.push(Match { path: *path, indexes, within, span: start..self.at, kind });
            }
        }
    }

    fn note_literal(&mut self, start: usize, is_string: bool) {
        let span = start..self.at;
        if let Some(literals) = &mut self.literals {
            literals.push(Literal { span, is_string });
        }
    }

    /// True if it contains an escape.
    fn string(&mut self) -> Result<bool, JsonError> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain(self.document.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.note_literal(start, true);
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    self.escape()?;
                    escaped = true;
                }
                Some(0..0x20) => return self.error("a control character in a string must be escaped"),
                Some(_) => self.at += 1,
                None => return self.error("the string has no end"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let length = match self.document.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.document.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.error("\\u needs four hexadecimal digits");
                }
                6
            }
            _ => return self.error("no such escape"),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'N') {
            return self.word(b"NaN", Kind::Number).map(drop);
        }
        self.skip_byte(b'-');
        if self.peek() == Some(b'I') {
            return self.word(b"Infinity", Kind::Number).map(drop);
        }
        if !self.skip_byte(b'0') {
            self.digits()?;
        }
        if self.skip_byte(b'.') {
            self.digits()?;
        }
        if self.skip_byte(b'e') || self.skip_byte(b'E') {
            let _ = self.skip_byte(b'+') || self.skip_byte(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self.document.get(self.at..).unwrap_or_default();
        match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => self.error("expected a digit"),
            count => {
                self.at += count;
                Ok(())
            }
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, JsonError> {
        if !self.document.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.error("expected a value");
        }
        self.at += word.len();
        Ok(kind)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn skip_byte(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.document.get(self.at).copied()
    }

    fn error<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { offset: self.at, what })
    }
}

/// Returns the number of leading bytes that need no decoding in a string, in groups of eight. Most bytes of a document are of
/// this kind, and testing eight at once takes a fifth of the instructions.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The high bit of each byte that is zero; of others too, but only above one that is.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut count = 0;
    for group in bytes.chunks_exact(8) {
        let Ok(group) = <[u8; 8]>::try_from(group) else { break };
        let word = u64::from_le_bytes(group);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | control;
        if special != 0 {
            return count + (special.trailing_zeros() / 8) as usize;
        }
        count += 8;
    }
    count
}

/// Returns the number of leading bytes that need no decoding in a string.
pub(crate) fn plain_text(bytes: &[u8]) -> usize {
    let start = plain(bytes);
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}
