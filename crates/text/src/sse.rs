//! Server-sent events (HTML standard, "Server-sent events"), which are read in any chunks and can be passed on unchanged.

mod similar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::groups;

pub use similar::{Piece, Similar, SimilarEvent};

/// The optional start of a stream.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The start of a line of data.
const DATA: &[u8] = b"data: ";

/// Reads the events of a stream.
///
/// ```
/// use text::sse::Reader;
///
/// let mut reader = Reader::default();
/// reader.push(b"data: hel");
/// assert!(reader.next().is_none());
/// reader.push(b"lo\n\n: wait\n\n");
/// let event = reader.next().ok_or("an event")?;
/// assert_eq!(event.data().as_deref(), Some(&b"hello"[..]));
/// assert_eq!(event.with_data(b"bye"), b"data: bye\n\n");
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// The start of the next event in the buffer, and the number of bytes before its first line.
    start: usize,
    before: usize,
    /// The start of the current line, and the position up to which it has been read.
    line: usize,
    position: usize,
    /// True if the start of the stream, with the optional BOM, has been read.
    begun: bool,
    /// True if the previous line ended with CR, so that a following LF belongs to its end.
    after_cr: bool,
}

/// An event with the empty line that ends it. Comments and additional empty lines are events without data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    raw: Vec<u8>,
    /// The number of bytes before its first line: a BOM, or the LF of the previous CR.
    before: usize,
}

impl Reader {
    /// Adds the next chunk of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        // Bytes that have been read are removed when they are the larger part, so that the cost is linear.
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.line -= self.start;
            self.position -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete event.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator should not continue after `None`, but this one does"
    )]
    pub fn next(&mut self) -> Option<Event> {
        self.begin()?;
        loop {
            let first = *self.buffer.get(self.position)?;
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                self.before += usize::from(self.position == self.start);
                self.position += 1;
                self.line = self.position;
                continue;
            }
            let rest = self.buffer.get(self.position..)?;
            let Some(length) = groups::position(rest, b'\r', b'\n') else {
                self.position = self.buffer.len();
                return None;
            };
            let end = self.position + length;
            let cr = self.buffer.get(end) == Some(&b'\r');
            let crlf = cr && self.buffer.get(end + 1) == Some(&b'\n');
            let is_empty = end == self.line;
            self.position = end + 1 + usize::from(crlf);
            self.line = self.position;
            self.after_cr = cr && !crlf;
            if is_empty {
                return Some(self.take());
            }
        }
    }

    /// Skips a BOM at the start of the stream. Returns `None` until it is known whether there is one.
    fn begin(&mut self) -> Option<()> {
        if self.begun {
            return Some(());
        }
        let start = self.buffer.get(..BOM.len()).unwrap_or(&self.buffer);
        if BOM.starts_with(start) {
            (start.len() == BOM.len()).then_some(())?;
            (self.before, self.line, self.position) = (BOM.len(), BOM.len(), BOM.len());
        }
        self.begun = true;
        Some(())
    }

    /// Returns the event that has been read.
    fn take(&mut self) -> Event {
        let raw = self.buffer.get(self.start..self.position).unwrap_or_default().to_vec();
        self.start = self.position;
        Event { raw, before: std::mem::take(&mut self.before) }
    }

    /// Returns the incomplete event at the end of the stream. Browsers ignore it, but other clients may not.
    pub fn finish(&mut self) -> Option<Event> {
        if self.held() == 0 {
            return None;
        }
        self.position = self.buffer.len();
        self.line = self.position;
        Some(self.take())
    }

    /// Returns what has arrived of the incomplete event, if it is too large to be held. The rest of it is an event of its own,
    /// whose data continues this one's. Call it after [`next`](Self::next).
    pub fn split(&mut self) -> Option<Event> {
        self.begin()?;
        let line = self.buffer.get(self.line..).unwrap_or_default();
        // The next event begins with what says how the rest of the line is to be read.
        let rest = match () {
            () if line.len() < DATA.len() => line.to_vec(),
            () if line.starts_with(b"data:") => DATA.to_vec(),
            () => b":".to_vec(),
        };
        self.position = if line.len() < DATA.len() { self.line } else { self.buffer.len() };
        if self.position == self.start {
            return None;
        }
        let part = self.take();
        (self.start, self.line, self.position) = (0, 0, rest.len());
        self.buffer = rest;
        Some(part)
    }

    /// Returns true after the end of an event, if the next byte of the stream begins another one.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.begun && self.held() == 0 && !self.after_cr
    }

    /// Returns the number of bytes of the incomplete event.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }
}

/// A line of an event, and the bytes that end it.
struct Line<'a> {
    text: &'a [u8],
    end: &'a [u8],
}

impl<'a> Line<'a> {
    /// Returns the data of the line and its prefix, if it is a data line.
    fn data(&self) -> Option<(&'a [u8], &'a [u8])> {
        let rest = self.text.strip_prefix(b"data")?;
        if rest.is_empty() {
            return Some((b"", b"data:"));
        }
        let value = rest.strip_prefix(b":")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.text.split_at_checked(self.text.len() - value.len()).map(|(prefix, value)| (value, prefix))
    }
}

impl Event {
    /// Returns the bytes of the event. Those of all events are the complete stream.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Returns the data: its lines, joined with LF. `None` if the event has no data field.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.lines().filter_map(|line| line.data()).map(|(value, _)| value);
        let first = lines.next()?;
        let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
        let mut data = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            data.push(b'\n');
            data.extend_from_slice(line);
        }
        Some(Cow::Owned(data))
    }

    /// Returns the type of the event: the value of its last field `event`.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        let values = self.lines().filter_map(|line| line.text.strip_prefix(b"event:"));
        values.last().map(|value| value.strip_prefix(b" ").unwrap_or(value))
    }

    /// Returns the event with other data. Its other lines stay unchanged, and the new data has the same line ends.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut event = self.raw.get(..self.before).unwrap_or_default().to_vec();
        let mut written = false;
        for line in self.lines() {
            let is_last = line.text.is_empty();
            match line.data() {
                Some((_, prefix)) if !written => {
                    push_data(&mut event, prefix, data, line.end);
                    written = true;
                }
                Some(_) => {}
                None => {
                    if is_last && !written {
                        push_data(&mut event, b"data: ", data, line.end);
                        written = true;
                    }
                    event.extend_from_slice(line.text);
                    event.extend_from_slice(line.end);
                }
            }
        }
        event
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut rest = self.raw.get(self.before..).unwrap_or_default();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let length = groups::position(rest, b'\r', b'\n').unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(length)?;
            let ends = if after.starts_with(b"\r\n") { 2 } else { after.len().min(1) };
            let (end, after) = after.split_at_checked(ends)?;
            rest = after;
            Some(Line { text, end })
        })
    }
}

/// Creates an event with data.
#[must_use]
pub fn event(data: &[u8]) -> Vec<u8> {
    named_event(None, data)
}

/// Creates an event with a type and data.
#[must_use]
pub fn named_event(name: Option<&[u8]>, data: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(data.len() + 8);
    if let Some(name) = name {
        event.extend_from_slice(b"event: ");
        event.extend_from_slice(name);
        event.push(b'\n');
    }
    push_data(&mut event, b"data: ", data, b"\n");
    event.push(b'\n');
    event
}

/// Writes the lines of data. `end` is empty for the last line of an incomplete stream.
fn push_data(event: &mut Vec<u8>, prefix: &[u8], data: &[u8], end: &[u8]) {
    let between: &[u8] = if end.is_empty() { b"\n" } else { end };
    for (index, line) in lines_of(data).enumerate() {
        if index > 0 {
            event.extend_from_slice(between);
        }
        event.extend_from_slice(prefix);
        // One space after the colon is not part of the data.
        if line.starts_with(b" ") && !prefix.ends_with(b" ") {
            event.push(b' ');
        }
        event.extend_from_slice(line);
    }
    event.extend_from_slice(end);
}

/// Splits data into lines. CR and CRLF also end a line of an event.
fn lines_of(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(length) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            rest = None;
            return Some(bytes);
        };
        let (line, after) = bytes.split_at_checked(length)?;
        let ends = if after.starts_with(b"\r\n") { 2 } else { 1 };
        rest = after.get(ends..);
        Some(line)
    })
}
