//! Goes through a document once, checks its grammar, and notes the values that paths name.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use super::literal::decode;
use super::path::{Paths, Step};

/// How deeply values may be nested. Each level takes some memory, and a client chooses how many there are.
pub const MOST_LEVELS: usize = 16_384;

/// How many array indexes of a value are told.
const MOST_INDEXES: usize = 4;

/// A value that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which of the paths. A value that several paths name is found once for each.
    pub path: usize,
    /// The indexes of the arrays on the way to it, from the outermost on; the first four.
    pub indexes: Vec<usize>,
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
    /// A number, as it is written.
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

/// The values that paths name, in the order in which they begin. All of them where an object has a key twice, because
/// readers differ in which they take.
///
/// # Errors
///
/// The document is no JSON, no UTF-8, or nested more deeply than [`MOST_LEVELS`].
pub fn find(document: &[u8], paths: &Paths) -> Result<Vec<Found>, JsonError> {
    if let Err(error) = std::str::from_utf8(document) {
        return Err(JsonError { offset: error.valid_up_to(), what: "is not UTF-8" });
    }
    let mut scan = Scan {
        document,
        at: 0,
        paths,
        levels: Vec::new(),
        states: paths.start().collect(),
        found: Vec::new(),
    };
    scan.run()?;
    Ok(scan.found)
}

/// An array or an object that is open.
struct Level {
    kind: Kind,
    /// The index of the value that an array is at.
    index: usize,
    /// What was found of it itself, whose end is not known yet.
    found: Range<usize>,
}

struct Scan<'a> {
    document: &'a [u8],
    at: usize,
    paths: &'a Paths,
    levels: Vec<Level>,
    /// How far each path has come, for the value at hand and for each level around it: as many as there are paths for
    /// each.
    states: Vec<u64>,
    found: Vec<Found>,
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

impl Scan<'_> {
    fn run(&mut self) -> Result<(), JsonError> {
        let mut next = Next::Value;
        loop {
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
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            _ => return self.error("expected a value"),
        };
        self.note(start, kind);
        self.states.truncate(self.states.len() - self.paths.len());
        Ok(Next::CommaOrEnd)
    }

    fn open(&mut self, kind: Kind) -> Result<Next, JsonError> {
        if self.levels.len() == MOST_LEVELS {
            return self.error("is nested too deeply");
        }
        let before = self.found.len();
        self.note(self.at, kind);
        self.levels.push(Level { kind, index: 0, found: before..self.found.len() });
        self.at += 1;
        Ok(if kind == Kind::Array { Next::FirstValue } else { Next::FirstKey })
    }

    fn close(&mut self) -> Next {
        self.at += 1;
        if let Some(level) = self.levels.pop() {
            for found in self.found.get_mut(level.found).unwrap_or_default() {
                found.span.end = self.at;
            }
        }
        self.states.truncate(self.states.len() - self.paths.len());
        Next::CommaOrEnd
    }

    /// A key with its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.error("expected a key in quotes");
        }
        self.string()?;
        let literal = self.document.get(start..self.at).unwrap_or_default();
        // Where no path leads on, no key needs to be read.
        if self.is_alive() {
            let name = decode(literal).unwrap_or_default();
            self.step(Step::Name(&name));
        } else {
            self.step(Step::Name(""));
        }
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.error("expected a colon after the key");
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Follows the paths from the level at hand to one of its values.
    fn step(&mut self, step: Step<'_>) {
        let from = self.states.len() - self.paths.len();
        for path in 0..self.paths.len() {
            let state = self.states.get(from + path).copied().unwrap_or_default();
            self.states.push(self.paths.step(path, state, step));
        }
    }

    fn here(&self) -> &[u64] {
        self.states.get(self.states.len() - self.paths.len()..).unwrap_or_default()
    }

    fn is_alive(&self) -> bool {
        self.here().iter().any(|state| *state != 0)
    }

    /// Notes the value that begins at `start`, and that has been read if it is no array and no object.
    fn note(&mut self, start: usize, kind: Kind) {
        for path in 0..self.paths.len() {
            let state = self.here().get(path).copied().unwrap_or_default();
            if self.paths.is_end(path, state) {
                let arrays = self.levels.iter().filter(|level| level.kind == Kind::Array);
                let indexes = arrays.take(MOST_INDEXES).map(|level| level.index).collect();
                self.found.push(Found { path, indexes, span: start..self.at, kind });
            }
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            self.at += plain(self.document.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
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
        self.skip_byte(b'-');
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
