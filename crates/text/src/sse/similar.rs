//! Events that differ from an earlier one in a single string, as nearly all events of a model do. They are recognised by comparing
//! bytes, which takes a small part of what parsing their JSON would.

use std::borrow::Cow;
use std::ops::Range;

use super::{Event, Reader};
use crate::groups;
use crate::json;

/// The form of an event: everything but one string of its data.
///
/// An event of this form has the same members as the one that it was made of, in the same order, and the same values but for
/// that string and those that may vary.
#[derive(Debug, Clone)]
pub struct Similar {
    before: Vec<Part>,
    after: Vec<Part>,
    /// The number of bytes before the data, and after it.
    start: usize,
    tail: usize,
}

/// Bytes that are the same, and what follows them.
#[derive(Debug, Clone)]
struct Part {
    same: Vec<u8>,
    varies: Option<Varies>,
}

#[derive(Debug, Clone, Copy)]
enum Varies {
    /// The rest of a string without escapes, up to its quote.
    Text,
    Digits,
}

/// What [`Reader::read`] finds in a stream.
#[derive(Debug)]
pub enum Piece<'c> {
    /// An event.
    Event(Event),
    /// An event of the given form.
    Similar(SimilarEvent<'c>),
}

/// An event of the same form as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimilarEvent<'c> {
    /// The bytes of the event.
    pub raw: &'c [u8],
    /// Its data.
    pub data: &'c [u8],
    /// The string that differs. It has no escapes.
    pub text: &'c str,
    /// The position of that string in `raw`, with its quotes.
    pub literal: Range<usize>,
    /// The position of the data in `raw`.
    start: usize,
}

impl SimilarEvent<'_> {
    /// Returns the position of the string in the data, with its quotes.
    #[must_use]
    pub fn literal_in_data(&self) -> Range<usize> {
        self.literal.start - self.start..self.literal.end - self.start
    }

    /// Adds the event with another JSON string to `out`.
    pub fn write_with(&self, literal: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(self.raw.get(..self.literal.start).unwrap_or_default());
        out.extend_from_slice(literal.as_bytes());
        out.extend_from_slice(self.raw.get(self.literal.end..).unwrap_or_default());
    }
}

impl Similar {
    /// Returns the form of an event, of which the JSON string at `literal` in its data may be another one. The values of the keys
    /// in `varying` may differ, too, if they are strings or natural numbers. Returns `None` for an event that cannot be
    /// recognised by its bytes: with several lines of data, or with escapes in these strings.
    #[must_use]
    pub fn new(event: &Event, literal: &Range<usize>, varying: &[&str]) -> Option<Self> {
        let raw = event.raw();
        // An LF after a CR would belong to this event.
        if event.before > 0 || !raw.ends_with(b"\n") || !matches!(event.data()?, Cow::Borrowed(_)) {
            return None;
        }
        let mut line = event.lines();
        let mut start = 0;
        let data = loop {
            let line = line.next()?;
            match line.data() {
                Some((data, prefix)) => {
                    start += prefix.len();
                    break data;
                }
                None => start += line.text.len() + line.end.len(),
            }
        };
        let tail = raw.len() - start - data.len();
        let inside = data.get(literal.start + 1..literal.end.checked_sub(1)?)?;
        if json::plain_text(inside) != inside.len() || data.get(literal.start) != Some(&b'"') {
            return None;
        }
        let (before, rest) = raw.split_at_checked(start + literal.start + 1)?;
        let after = rest.get(inside.len()..)?;
        let (before, after) =
            (parts(before, start..before.len(), varying), parts(after, 0..after.len() - tail, varying));
        Some(Self { before, after, start, tail })
    }

    /// Returns the event at the start of a chunk if it has this form and is complete, and the rest of the chunk.
    #[must_use]
    pub fn split<'c>(&self, chunk: &'c [u8]) -> Option<(SimilarEvent<'c>, &'c [u8])> {
        let rest = strip(chunk, &self.before)?;
        let start = chunk.len() - rest.len();
        let (text, rest) = rest.split_at_checked(json::plain_text(rest))?;
        let rest = strip(rest, &self.after)?;
        let raw = chunk.get(..chunk.len() - rest.len())?;
        let event = SimilarEvent {
            raw,
            data: raw.get(self.start..raw.len() - self.tail)?,
            text: str::from_utf8(text).ok()?,
            literal: start - 1..start + text.len() + 1,
            start: self.start,
        };
        Some((event, rest))
    }
}

/// Returns the rest of bytes that begin with these parts.
fn strip<'b>(mut bytes: &'b [u8], parts: &[Part]) -> Option<&'b [u8]> {
    for Part { same, varies } in parts {
        bytes = groups::strip_prefix(bytes, same)?;
        let length = match varies {
            None => 0,
            Some(Varies::Text) => {
                let length = json::plain_text(bytes);
                str::from_utf8(bytes.get(..length)?).ok()?;
                length
            }
            // `01` is not JSON.
            Some(Varies::Digits) => match digits(bytes) {
                0 => return None,
                length if length > 1 && bytes.starts_with(b"0") => return None,
                length => length,
            },
        };
        bytes = bytes.get(length..)?;
    }
    Some(bytes)
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Divides a part of an event where the values of these keys begin, which are in `data`.
fn parts(bytes: &[u8], data: Range<usize>, varying: &[&str]) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, data.start);
    while let Some(quote) = groups::position(bytes.get(at..data.end).unwrap_or_default(), b'"', b'"') {
        let (before, literal) = bytes.split_at_checked(at + quote).unwrap_or_default();
        at += quote + 1;
        // A quote that begins a key, and none in a string.
        if !matches!(before.trim_ascii_end().last(), Some(b'{' | b',')) {
            continue;
        }
        let key = varying.iter().find_map(|key| literal.strip_prefix(b"\"")?.strip_prefix(key.as_bytes()));
        let Some(rest) = key.and_then(|rest| rest.strip_prefix(b"\"")) else { continue };
        let Some(value) = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start) else {
            continue;
        };
        let (skipped, varies) = match value.strip_prefix(b"\"") {
            Some(text) => {
                let length = json::plain_text(text);
                if text.get(length) != Some(&b'"') {
                    continue;
                }
                (length, Varies::Text)
            }
            None if digits(value) > 0 => (digits(value), Varies::Digits),
            None => continue,
        };
        let begin = bytes.len() - value.len() + usize::from(matches!(varies, Varies::Text));
        let Some(same) = bytes.get(from..begin) else { continue };
        parts.push(Part { same: same.to_vec(), varies: Some(varies) });
        from = begin + skipped;
        at = from + usize::from(matches!(varies, Varies::Text));
    }
    parts.push(Part { same: bytes.get(from..).unwrap_or_default().to_vec(), varies: None });
    parts
}

impl Reader {
    /// Returns the next event of the stream, and takes what it has read from `chunk`, the next bytes of the stream. Returns `None`
    /// once it has taken all of them. An event of the form `similar` is not copied.
    ///
    /// Use either this or [`push`](Self::push).
    pub fn read<'c>(&mut self, chunk: &mut &'c [u8], similar: Option<&Similar>) -> Option<Piece<'c>> {
        loop {
            if let Some(event) = self.next() {
                return Some(Piece::Event(event));
            }
            if chunk.is_empty() {
                return None;
            }
            if let (Some(similar), true) = (similar, self.is_between())
                && let Some((event, rest)) = similar.split(chunk)
            {
                *chunk = rest;
                return Some(Piece::Similar(event));
            }
            // Only up to the end of an event, because the next one may have the form of this one.
            let (event, rest) = chunk.split_at_checked(event_end(chunk)).unwrap_or((chunk, b""));
            self.push(event);
            *chunk = rest;
        }
    }
}

/// Returns the position after the first empty line that is not the first line, or the end.
fn event_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(line) = groups::position(bytes.get(at..).unwrap_or_default(), b'\n', b'\n') {
        at += line + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return at + 1,
            Some([b'\r', b'\n', ..]) => return at + 2,
            _ => {}
        }
    }
    bytes.len()
}
