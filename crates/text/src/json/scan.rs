//! Goes through a document once, checks its grammar, and notes the values that paths name.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, Range};

use super::literal::decode;
use super::path::{Paths, Step};

/// How deeply values may be nested. Each level takes some memory, and a client chooses how many there are.
pub const MAX_LEVELS: usize = 16_384;

/// How many array indexes of a value are told.
const MAX_INDEXES: usize = 4;

/// The indexes of the arrays on the way to a value, from the outermost on; the first four.
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

/// A value that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Which of the paths. A value that several paths name is found once for each.
    pub path: usize,
    /// Where it is in the arrays around it.
    pub indexes: Indexes,
    /// Where the array or object that it is in begins: that tells an object from another one under the same key.
    pub within: usize,
    /// Its bytes in the document: those of a string with its quotes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; [`decode`] gives its text.
    String,
    /// A number, as it is written; `NaN`, `Infinity` and `-Infinity` too, which JSON has not and Python writes.
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

/// Why a document is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Where, in bytes from the document's start.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.what)
    }
}

impl Error for JsonError {}

/// A string or a number, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// Its bytes in the document: those of a string with its quotes.
    pub span: Range<usize>,
    /// Whether it is a string, a key among them.
    pub is_string: bool,
}

/// The values that paths name, in the order in which they begin. All of them where an object has a key twice, because
/// readers differ in which they take.
///
/// # Errors
///
/// The document is no JSON, no UTF-8, or nested more deeply than [`MAX_LEVELS`].
pub fn find(document: &[u8], paths: &Paths) -> Result<Vec<Match>, JsonError> {
    let mut scan = Scan::new(text(document)?, 0, paths, None);
    scan.run(true)?;
    Ok(scan.found)
}

/// The values that paths name in the document of a text that begins at `from`, and where that document ends: another
/// one may follow.
///
/// # Errors
///
/// As those of [`find`].
pub fn find_at(text: &str, from: usize, paths: &Paths) -> Result<(Vec<Match>, usize), JsonError> {
    let mut scan = Scan::new(text, from, paths, None);
    scan.run(false)?;
    Ok((scan.found, scan.at))
}

/// Every string and number of the document of a text that begins at `from`, in order, and where that document ends.
///
/// # Errors
///
/// As those of [`find`].
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

/// An array or an object that is open.
struct Level {
    kind: Kind,
    start: usize,
    /// The index of the value that an array is at.
    index: usize,
    /// What was found of it itself, whose end is not known yet.
    found: Range<usize>,
    /// How far the paths have come at it.
    reached: Range<usize>,
}

struct Scan<'a> {
    text: &'a str,
    /// Its bytes.
    document: &'a [u8],
    at: usize,
    paths: &'a Paths,
    levels: Vec<Level>,
    /// How far the paths have come: the nodes of each level that is open, and behind them those of the value at hand.
    nodes: Vec<usize>,
    /// Where those of the value at hand begin.
    here: usize,
    /// How many arrays are open, and where the outer ones are.
    arrays: usize,
    indexes: [usize; MAX_INDEXES],
    found: Vec<Match>,
    /// Where each string and number is noted, if that is asked for.
    literals: Option<Vec<Literal>>,
}

/// What must come next.
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

    /// Reads a document's value, behind which nothing but space may stand if it is `alone`.
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

    /// A value whose path has been followed.
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

    /// A key with its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.error("expected a key in quotes");
        }
        let escaped = self.string()?;
        // Where no path leads on, no key needs to be read.
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

    /// Follows the paths from the innermost level to one of its values.
    fn step(&mut self, step: Step<'_>) {
        let Some(level) = self.levels.last() else { return };
        let from = level.reached.clone();
        self.nodes.truncate(from.end);
        self.here = from.end;
        self.paths.step(from, step, &mut self.nodes);
    }

    /// Notes the value that begins at `start`, and that has been read if it is no array and no object.
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

    /// Whether it has an escape.
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

/// How many bytes at the start mean just themselves in a string, at least all those of whole groups of eight: most of a
/// document are such bytes, and looking at eight at once takes a fifth of the instructions.
fn plain(bytes: &[u8]) -> usize {
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
