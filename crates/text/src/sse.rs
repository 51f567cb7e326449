//! Server-sent events (HTML standard, "Server-sent events"), read in whatever pieces they come, and passed on byte for
//! byte where nothing is to change.

use std::borrow::Cow;

/// What a stream may begin with.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads a stream's events.
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
    /// Where the next event begins in the buffer, and how many bytes of it stand before its first line.
    start: usize,
    before: usize,
    /// Where the line at hand begins, and how far it has been looked at.
    line: usize,
    seen: usize,
    /// Whether the stream's start has been read, where a BOM may stand.
    begun: bool,
    /// Whether the line before ended with CR: an LF that comes next belongs to its end.
    after_cr: bool,
}

/// One event, with the empty line that ends it; comments and stray empty lines are events without data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    raw: Vec<u8>,
    /// How many bytes stand before its first line: a BOM, or the other half of a line's end.
    before: usize,
}

impl Reader {
    /// Takes the next piece of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        // What has been read goes once it is the larger part, so that many events in one piece cost no more than few.
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.line -= self.start;
            self.seen -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event whose end has come.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends may not go on, and this one does"
    )]
    pub fn next(&mut self) -> Option<Event> {
        self.begin()?;
        loop {
            let first = *self.buffer.get(self.seen)?;
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                self.before += usize::from(self.seen == self.start);
                self.seen += 1;
                self.line = self.seen;
                continue;
            }
            let rest = self.buffer.get(self.seen..)?;
            let Some(length) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                self.seen = self.buffer.len();
                return None;
            };
            let end = self.seen + length;
            let cr = self.buffer.get(end) == Some(&b'\r');
            let crlf = cr && self.buffer.get(end + 1) == Some(&b'\n');
            let is_empty = end == self.line;
            self.seen = end + 1 + usize::from(crlf);
            self.line = self.seen;
            self.after_cr = cr && !crlf;
            if is_empty {
                return Some(self.take());
            }
        }
    }

    /// Passes a BOM at the start of the stream; nothing while it is not known whether there is one.
    fn begin(&mut self) -> Option<()> {
        if self.begun {
            return Some(());
        }
        let start = self.buffer.get(..BOM.len()).unwrap_or(&self.buffer);
        if BOM.starts_with(start) {
            (start.len() == BOM.len()).then_some(())?;
            (self.before, self.line, self.seen) = (BOM.len(), BOM.len(), BOM.len());
        }
        self.begun = true;
        Some(())
    }

    /// The event that has been read.
    fn take(&mut self) -> Event {
        let raw = self.buffer.get(self.start..self.seen).unwrap_or_default().to_vec();
        self.start = self.seen;
        Event { raw, before: std::mem::take(&mut self.before) }
    }

    /// What is left when the stream ends: an event without its end. Browsers drop it, other clients may not.
    pub fn finish(&mut self) -> Option<Event> {
        if self.held() == 0 {
            return None;
        }
        self.seen = self.buffer.len();
        self.line = self.seen;
        Some(self.take())
    }

    /// How many bytes wait for their event's end.
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
    /// The line's data, and how it is introduced, if it is a line of data.
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
    /// The bytes as they came. Those of all events, one after the other, are the stream.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The data: its lines, with LF between them. None where the event has no field of that name.
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

    /// Its kind: the value of its last field `event`.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        let values = self.lines().filter_map(|line| line.text.strip_prefix(b"event:"));
        values.last().map(|value| value.strip_prefix(b" ").unwrap_or(value))
    }

    /// The same event with other data. Its other lines stay as they are, and the new data's lines end as the old one's.
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
            let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(length)?;
            let ends = if after.starts_with(b"\r\n") { 2 } else { after.len().min(1) };
            let (end, after) = after.split_at_checked(ends)?;
            rest = after;
            Some(Line { text, end })
        })
    }
}

/// An event with these data.
#[must_use]
pub fn event(data: &[u8]) -> Vec<u8> {
    named_event(None, data)
}

/// An event of a kind, with these data.
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

/// Writes data in as many lines as they have. `end` is empty for the last line of a stream that broke off.
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

/// The lines of data; CR and CRLF would end a line of the event too.
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

#[cfg(test)]
mod tests;
