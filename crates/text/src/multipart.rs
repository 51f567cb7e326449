//! Forms in `multipart/form-data` (RFC 7578), read as they arrive: text fields one by one, and files as bytes that pass.
//!
//! ```
//! use text::multipart::{Part, Reader};
//!
//! let mut reader = Reader::new(b"multipart/form-data; boundary=x").ok_or("a boundary")?;
//! let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n";
//! let parts = reader.feed(body);
//! assert!(matches!(&parts[..], [Part::Field(field), Part::End, Part::Bytes(end)]
//!     if field.name == b"a" && field.value == b"1" && end == b"--x--\r\n"));
//! # Ok::<(), &str>(())
//! ```
//!
//! The parts of a body, joined, are the body: a field that does not change is written as it was. The exception is a field whose
//! name servers read differently, such as one with two names: it gets one that all of them read.

use std::ops::Range;

/// The maximum size of a field. A larger one passes as bytes.
pub const MAX_FIELD: usize = 64 << 10;

/// The maximum size of all fields of a body. Later ones pass as bytes.
pub const MAX_FIELDS: usize = 1 << 20;

/// The maximum size of the headers of a part.
const MAX_HEADERS: usize = 8 << 10;

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes of files, and of anything that is not a field.
    Bytes(Vec<u8>),
    /// A field without a file name.
    Field(Field),
    /// The end of the last part, where fields can be added.
    End,
}

/// A text field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, without quotes.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The field as it was written, with the ranges of the name and the value.
    written: Option<(Vec<u8>, Range<usize>, Range<usize>)>,
}

impl Field {
    /// Creates a field.
    #[must_use]
    pub fn new(name: &[u8], value: &[u8]) -> Self {
        Self { name: name.to_vec(), value: value.to_vec(), written: None }
    }

    /// Writes the field with the delimiter before it.
    fn write(&self, delimiter: &[u8], out: &mut Vec<u8>) {
        match &self.written {
            Some((written, name, value)) => {
                let part = |range: Range<usize>| written.get(range).unwrap_or_default();
                out.extend_from_slice(part(0..name.start));
                match part(name.clone()) == self.name {
                    true => out.extend_from_slice(&self.name),
                    false => write_name(&self.name, out),
                }
                out.extend_from_slice(part(name.end..value.start));
                out.extend_from_slice(&self.value);
                out.extend_from_slice(part(value.end..written.len()));
            }
            None => {
                out.extend_from_slice(delimiter);
                out.extend_from_slice(b"\r\nContent-Disposition: form-data; name=\"");
                write_name(&self.name, out);
                out.extend_from_slice(b"\"\r\n\r\n");
                out.extend_from_slice(&self.value);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Writes a name between quotes, as browsers do (HTML, section 4.10.21.8).
fn write_name(name: &[u8], out: &mut Vec<u8>) {
    for byte in name {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            byte => out.push(*byte),
        }
    }
}

/// Reads a body as it arrives.
#[derive(Debug)]
pub struct Reader {
    /// `--` and the boundary.
    delimiter: Vec<u8>,
    /// Bytes that have arrived.
    buffer: Vec<u8>,
    /// How many of them have been returned. They are removed once for each chunk, because a chunk can have thousands of fields.
    returned: usize,
    /// How many of the others have been searched.
    searched: usize,
    state: State,
    /// The sizes of all fields.
    fields: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// The unread bytes begin with a delimiter.
    Delimiter,
    /// A field.
    Field(Head),
    /// Another part.
    Other,
    /// After the last part, or in a body that cannot be read.
    Rest,
}

/// The headers of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    /// Their range in the unread bytes, without the blank line.
    at: Range<usize>,
    /// Those to write instead.
    new: Option<Vec<u8>>,
    /// The range of the name in them.
    name: Range<usize>,
}

/// What follows a delimiter.
#[derive(PartialEq)]
enum After {
    Unknown,
    /// A part, whose headers begin there.
    Part(usize),
    End,
    /// It is not a delimiter.
    Nothing,
}

impl Reader {
    /// Creates a reader for the boundary of a content type, or returns `None` if there is none.
    #[must_use]
    pub fn new(content_type: &[u8]) -> Option<Self> {
        let mut parts = content_type.split(|byte| *byte == b';');
        let media = parts.next()?.trim_ascii();
        if !media.eq_ignore_ascii_case(b"multipart/form-data") {
            return None;
        }
        let boundary = parts.find_map(|part| {
            let (name, value) = crate::split_pair(part.trim_ascii());
            name.eq_ignore_ascii_case(b"boundary").then_some(value)
        })?;
        let inside = boundary.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let boundary = inside.unwrap_or(boundary);
        if boundary.is_empty() || boundary.len() > 200 {
            return None;
        }
        Some(Self {
            delimiter: [b"--", boundary].concat(),
            buffer: Vec::new(),
            returned: 0,
            searched: 0,
            state: State::Preamble,
            fields: 0,
        })
    }

    /// Reads the next bytes of a body.
    pub fn feed(&mut self, chunk: &[u8]) -> Vec<Part> {
        self.buffer.extend_from_slice(chunk);
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        self.buffer.drain(..self.returned);
        self.returned = 0;
        parts
    }

    /// The bytes that have not been returned.
    fn unread(&self) -> &[u8] {
        self.buffer.get(self.returned..).unwrap_or_default()
    }

    /// Returns the bytes of a body that ends unexpectedly.
    pub fn finish(&mut self) -> Vec<u8> {
        self.state = State::Rest;
        std::mem::take(&mut self.buffer)
    }

    /// Writes a field.
    pub fn write(&self, field: &Field, out: &mut Vec<u8>) {
        field.write(&self.delimiter, out);
    }

    /// Returns true if it could continue.
    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.state {
            State::Rest => {
                self.pass(self.unread().len(), parts);
                false
            }
            State::Preamble => self.preamble(parts),
            State::Delimiter => self.delimiter(parts),
            State::Field(_) => self.field(parts),
            State::Other => self.other(parts),
        }
    }

    fn preamble(&mut self, parts: &mut Vec<Part>) -> bool {
        if self.unread().starts_with(&self.delimiter) {
            self.state = State::Delimiter;
            return true;
        }
        let is_start = self.delimiter.starts_with(self.unread());
        match self.find() {
            Some(at) => {
                self.pass(at + 2, parts);
                self.state = State::Delimiter;
                true
            }
            None => {
                if !is_start {
                    self.pass(self.searched, parts);
                }
                false
            }
        }
    }

    fn delimiter(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.after(0) {
            After::Unknown => false,
            After::Nothing => self.give_up(),
            After::End => {
                parts.push(Part::End);
                self.state = State::Rest;
                true
            }
            After::Part(start) => {
                let headers = self.unread().get(start..).unwrap_or_default();
                // Without headers, the blank line follows at once. What has been searched is not searched again.
                let from = self.searched.saturating_sub(3).saturating_sub(start);
                let end = match headers.starts_with(b"\r\n") {
                    true => Some(0),
                    false => {
                        let found = position(headers.get(from..).unwrap_or_default(), b"\r\n\r\n");
                        found.map(|end| from + end + 2)
                    }
                };
                let Some(end) = end else {
                    let is_large = headers.len() > MAX_HEADERS;
                    self.searched = self.unread().len();
                    return is_large && self.give_up();
                };
                let name = field_name(headers.get(..end).unwrap_or_default());
                // The value may be empty, so that its end begins with the blank line's line break.
                self.searched = start + end;
                let at = start..start + end;
                self.state = match name {
                    Some(Name::Plain(name)) => State::Field(Head { at, new: None, name }),
                    Some(Name::Disguised(new, name)) => State::Field(Head { at, new: Some(new), name }),
                    None => State::Other,
                };
                if self.state == State::Other {
                    self.pass(start + end, parts);
                }
                true
            }
        }
    }

    fn field(&mut self, parts: &mut Vec<Part>) -> bool {
        let found = self.find();
        let end = match found {
            Some(at) => at + 2,
            None if self.unread().len() <= MAX_FIELD => return false,
            None => usize::MAX,
        };
        let State::Field(head) = std::mem::replace(&mut self.state, State::Other) else { return true };
        let searched = self.searched;
        // The delimiter with the headers, which may be others, and where these end.
        let mut written = self.unread().get(..head.at.start).unwrap_or_default().to_vec();
        match &head.new {
            Some(new) => written.extend_from_slice(new),
            None => written.extend_from_slice(self.unread().get(head.at.clone()).unwrap_or_default()),
        }
        let headers = written.len();
        let is_large = end > MAX_FIELD || self.fields + end > MAX_FIELDS;
        if is_large {
            parts.push(Part::Bytes(written));
            self.returned += head.at.end;
            self.searched = searched.saturating_sub(head.at.end);
            return true;
        }
        self.fields += end;
        let rest = self.unread().get(head.at.end..end).unwrap_or_default();
        written.extend_from_slice(rest);
        self.returned += end;
        self.searched = 0;
        let name = head.at.start + head.name.start..head.at.start + head.name.end;
        let at = written.len() - 2;
        // A part whose value has no line break before the delimiter has none at all.
        let value = (headers + 2).min(at)..at;
        let bytes = |range: &Range<usize>| written.get(range.clone()).unwrap_or_default().to_vec();
        let (name_bytes, value_bytes) = (bytes(&name), bytes(&value));
        parts.push(Part::Field(Field {
            name: name_bytes,
            value: value_bytes,
            written: Some((written, name, value)),
        }));
        self.state = State::Delimiter;
        true
    }

    fn other(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.find() {
            Some(at) => {
                self.pass(at + 2, parts);
                self.state = State::Delimiter;
                true
            }
            None => {
                self.pass(self.searched, parts);
                false
            }
        }
    }

    fn give_up(&mut self) -> bool {
        self.state = State::Rest;
        true
    }

    /// Returns the next bytes as they are.
    fn pass(&mut self, end: usize, parts: &mut Vec<Part>) {
        let bytes = self.unread().get(..end).unwrap_or_else(|| self.unread());
        if bytes.is_empty() {
            return;
        }
        let bytes = bytes.to_vec();
        self.returned += bytes.len();
        parts.push(Part::Bytes(bytes));
        self.searched = self.searched.saturating_sub(end);
    }

    /// Finds the line break before the next delimiter. Without one, `searched` is the start of what may be one.
    fn find(&mut self) -> Option<usize> {
        loop {
            let rest = self.unread().get(self.searched..).unwrap_or_default();
            let Some(found) = rest.iter().position(|byte| *byte == b'\r') else {
                self.searched = self.unread().len();
                return None;
            };
            self.searched += found;
            let at = self.searched;
            let here = self.unread().get(at..).unwrap_or_default();
            let length = 2 + self.delimiter.len();
            let matches =
                here.iter().zip(b"\r\n".iter().chain(&self.delimiter)).all(|(left, right)| left == right);
            if matches && here.len() < length {
                return None;
            }
            if matches {
                match self.after(at + 2) {
                    After::Unknown => return None,
                    After::Nothing => {}
                    After::Part(_) | After::End => return Some(at),
                }
            }
            self.searched += 1;
        }
    }

    /// Returns what follows the delimiter at a place.
    fn after(&self, at: usize) -> After {
        /// White space after a delimiter that is read.
        const MAX_SPACE: usize = 64;
        let start = at + self.delimiter.len();
        let rest = self.unread().get(start..).unwrap_or_default();
        let space = rest.iter().take(MAX_SPACE).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(space..).unwrap_or_default() {
            [b'-', b'-', ..] if space == 0 => After::End,
            [b'\r', b'\n', ..] => After::Part(start + space + 2),
            [] | [b'\r'] => After::Unknown,
            [b'-'] if space == 0 => After::Unknown,
            _ => After::Nothing,
        }
    }
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The name of a field.
#[derive(Debug, PartialEq)]
enum Name {
    /// Its range in the headers.
    Plain(Range<usize>),
    /// Servers may differ on it, so the field gets these headers, with the range in them.
    Disguised(Vec<u8>, Range<usize>),
}

/// Returns the name in the headers of a field. Files have none. The encoding of a part (`Content-Transfer-Encoding`) does not
/// matter, because most servers ignore it.
fn field_name(headers: &[u8]) -> Option<Name> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    let mut at = 0;
    while let Some(rest) = headers.get(at..).filter(|rest| !rest.is_empty()) {
        let end = header_end(rest);
        let line = rest.get(..end).unwrap_or_default();
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(end);
        let (key, value) = line.split_at_checked(colon).unwrap_or_default();
        if key.trim_ascii().eq_ignore_ascii_case(b"content-disposition") {
            found.push((at + colon + 1, disposition(value.get(1..).unwrap_or_default())));
        } else {
            others.extend_from_slice(line);
            others.extend_from_slice(b"\r\n");
        }
        at += end + 2;
    }
    // Of several dispositions, servers use the first or the last. If one of them is that of a field, it is one.
    let is_single = found.len() == 1;
    let (at, Disposition { names, is_plain, .. }) = found.into_iter().rfind(|(_, found)| !found.is_file)?;
    match names.as_slice() {
        [(_, range)] if is_single && is_plain => Some(Name::Plain(at + range.start..at + range.end)),
        names => {
            let (name, _) = names.last()?;
            let mut headers = b"Content-Disposition: form-data; name=\"".to_vec();
            let start = headers.len();
            write_name(name, &mut headers);
            let name = start..headers.len();
            headers.extend_from_slice(b"\"\r\n");
            headers.extend(others);
            Some(Name::Disguised(headers, name))
        }
    }
}

/// Returns the end of a header, which lines that begin with white space continue.
fn header_end(headers: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = headers.get(at..).and_then(|rest| position(rest, b"\r\n")) {
        if !matches!(headers.get(at + end + 2), Some(b' ' | b'\t')) {
            return at + end;
        }
        at += end + 2;
    }
    headers.len()
}

/// What a `Content-Disposition` says.
#[derive(Default)]
struct Disposition {
    /// The names, without quotes and escapes, and their ranges.
    names: Vec<(Vec<u8>, Range<usize>)>,
    is_file: bool,
    /// True if all servers read it in the same way.
    is_plain: bool,
}

/// Parses `form-data; name="a"`, with whatever servers accept in it.
fn disposition(value: &[u8]) -> Disposition {
    let from = |at: usize| value.get(at..).unwrap_or_default();
    let spaces = |at: usize| from(at).iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let until = |at: usize, ends: &[u8]| from(at).iter().take_while(|byte| !ends.contains(byte)).count();
    let mut at = until(0, b";");
    let kind = value.get(..at).unwrap_or_default().trim_ascii();
    let mut found = Disposition {
        is_plain: kind.eq_ignore_ascii_case(b"form-data") && !value.contains(&b'\r'),
        ..Disposition::default()
    };
    // A name in RFC 5987, or in parts (RFC 2231).
    let mut extended = Vec::new();
    loop {
        at += spaces(at);
        match from(at).first() {
            None => break,
            Some(b';') => {
                at += 1;
                continue;
            }
            Some(_) => {}
        }
        let length = until(at, b"=;");
        let key = from(at).get(..length).unwrap_or_default().trim_ascii().to_ascii_lowercase();
        at += length;
        if from(at).first() != Some(&b'=') {
            found.is_plain = false;
            continue;
        }
        at += 1;
        at += spaces(at);
        found.is_file |= key == b"filename" || key.starts_with(b"filename*");
        let range = if from(at).first() == Some(&b'"') {
            let Some(length) = quoted_length(from(at + 1)) else {
                found.is_plain = false;
                break;
            };
            let start = at + 1;
            at = start + length + 1;
            found.is_plain &= matches!(from(at + spaces(at)).first(), None | Some(b';'));
            at += until(at, b";");
            start..start + length
        } else {
            let start = at;
            at += until(at, b";");
            start..start + value.get(start..at).unwrap_or_default().trim_ascii_end().len()
        };
        let written = value.get(range.clone()).unwrap_or_default();
        let text = unescaped(written);
        found.is_plain &= text == written;
        if key == b"name" {
            found.names.push((text, range));
        } else if key.starts_with(b"name*") {
            found.is_plain = false;
            if !key.ends_with(b"*") {
                extended.extend(text);
                continue;
            }
            let has_charset = key == b"name*" || key == b"name*0*";
            let quotes = text.iter().enumerate().filter(|(_, byte)| **byte == b'\'' && has_charset);
            let start = quotes.map(|(at, _)| at + 1).nth(1).unwrap_or(0);
            extended.extend_from_slice(&crate::percent::decode(text.get(start..).unwrap_or_default()));
        }
    }
    if !extended.is_empty() {
        found.names.push((extended, 0..0));
    }
    found
}

/// Returns the length of what is before a closing quotation mark.
fn quoted_length(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match inside.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Returns a text without the backslashes that escape its characters.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut characters = text.iter();
    let mut result = Vec::with_capacity(text.len());
    while let Some(byte) = characters.next() {
        let escaped = if *byte == b'\\' { characters.next() } else { None };
        result.push(*escaped.unwrap_or(byte));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    const FILE: &str = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n\r\n--xx\r\n-- data --\r\n";

    /// Reads a body in chunks, and returns its fields, the number of ends, and the body as it is written again.
    fn read(body: &str, chunk: usize) -> (Vec<(String, String)>, usize, String) {
        let mut reader = Reader::new(b"Multipart/Form-Data; charset=a; boundary=\"x\"").unwrap();
        let (mut fields, mut ends, mut out) = (Vec::new(), 0, Vec::new());
        for chunk in body.as_bytes().chunks(chunk) {
            for part in reader.feed(chunk) {
                match part {
                    Part::Bytes(bytes) => out.extend(bytes),
                    Part::Field(field) => {
                        reader.write(&field, &mut out);
                        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                        fields.push((text(&field.name), text(&field.value)));
                    }
                    Part::End => ends += 1,
                }
            }
        }
        out.extend(reader.finish());
        (fields, ends, String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn fields_are_read_in_any_chunks_and_written_as_they_were() {
        let body = [
            "preamble\r\n",
            &field("a", "1"),
            &field("", ""),
            FILE,
            &field("b", "2\r\n--x1\r\n"),
            "--x \t\r\ncontent-disposition:form-data;name=c\r\nContent-Type: text/plain\r\n\r\n3\r\n",
            "--x--\r\nepilogue\r\n--x\r\n",
        ]
        .concat();
        for chunk in 1..=body.len() {
            let (fields, ends, out) = read(&body, chunk);
            let expected = [("a", "1"), ("", ""), ("b", "2\r\n--x1\r\n"), ("c", "3")];
            let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            assert_eq!((fields, ends), (expected, 1), "{chunk}");
            assert_eq!(out, body, "{chunk}");
        }
    }

    #[test]
    fn thousands_of_fields_in_one_chunk_take_as_much_memory_as_the_body() {
        let disguised = "--x\r\nContent-Disposition: form-data; name*=utf-8''a\r\n\r\n1\r\n";
        for part in [field("a", "1"), disguised.to_owned(), FILE.to_owned()] {
            let body = part.repeat(5_000);
            let mut reader = Reader::new(b"multipart/form-data; boundary=x").unwrap();
            let parts = reader.feed(body.as_bytes());
            let taken = |part: &Part| match part {
                Part::Bytes(bytes) => bytes.capacity(),
                Part::Field(Field { name, value, written }) => {
                    let written = written.as_ref().map_or(0, |(written, ..)| written.capacity());
                    name.capacity() + value.capacity() + written
                }
                Part::End => 0,
            };
            assert!(parts.len() > 4_000, "{}", parts.len());
            let taken: usize = parts.iter().map(taken).sum();
            assert!(taken < 3 * body.len(), "{taken} bytes for {}", body.len());
        }
    }

    #[test]
    fn bodies_that_cannot_be_read_pass() {
        for body in [
            "",
            "x",
            "--",
            "--x",
            "--x\r\n",
            "--x--",
            "--xy\r\n\r\n",
            "--x\r\nno colon\r\n\r\na\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x",
            "--x\r\n\r\nno headers\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\\\"b\"\r\n\r\n1\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"C:\\\"\r\n\r\n1\r\n--x--",
            "--x\r\nContent-Disposition: form-data; filename=x; name=a; FileName*0=b\r\n\r\n1\r\n--x--",
            "--x\r\nContent-Disposition: form-data; x=name\r\n\r\n1\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=a; filename*=b\r\n\r\n1\r\n--x--",
        ] {
            for chunk in [1, 2, 7, 1000] {
                let (fields, _, out) = read(body, chunk);
                assert_eq!(out, body, "{body:?} {chunk}");
                assert!(fields.is_empty(), "{body:?} {fields:?}");
            }
        }
    }

    #[test]
    fn a_field_is_read_however_its_headers_are_written() {
        let plain = "Content-Disposition: form-data; name=\"a\"\r\n";
        for (headers, written) in [
            ("Content-Disposition: form-data; name=\"a\"; x=\"y\"\r\n", None),
            ("Content-Disposition: form-data; x=y ; NAME = a ;\r\nX: y\r\n", None),
            ("Content-Disposition: form-data; name= \"a\" ; filenames=b\r\n", None),
            ("Content-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name=a\r\n", None),
            ("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n", None),
            ("no colon\r\nContent-Disposition: form-data; name=a\r\n", None),
            ("Content-Disposition: form-data; name=\"b\"; name=\"a\"\r\n", Some(plain)),
            ("Content-Disposition: form-data; name=b; name*=utf-8'en'%61\r\n", Some(plain)),
            ("Content-Disposition: form-data; name*=\"UTF-8''a\"\r\n", Some(plain)),
            ("Content-Disposition: form-data; name*0*=''%61; name*1=\"\"\r\n", Some(plain)),
            ("Content-Disposition: form-data; name=\"\\a\"\r\n", Some(plain)),
            ("Content-Disposition: form-data; name=\"a\"x\r\n", Some(plain)),
            ("Content-Disposition: form-data; x=\"\\\"; filename=b; y=\"; name=a\r\n", Some(plain)),
            ("Content-Disposition: form-data; name=a; x=\"\r\n", Some(plain)),
            ("Content-Disposition: form-data; name=a; x\r\n", Some(plain)),
            ("Content-Disposition: form-data;\r\n\tname=a\r\n", Some(plain)),
            ("Content-Disposition: attachment; name=a\r\n", Some(plain)),
            (
                "Content-Disposition: form-data; name=f; filename=b\r\nContent-Disposition: form-data; name=a\r\n",
                Some(plain),
            ),
            (
                "Content-Disposition: form-data; name=a\r\ncontent-disposition: form-data; name=f; filename=b\r\n",
                Some(plain),
            ),
            ("Content-Disposition: x; \"\r\nContent-Disposition: form-data; name=a\r\n", Some(plain)),
        ] {
            let body = |headers| format!("--x\r\n{headers}\r\n1\r\n{}--x--", field("b", "2"));
            let (body, written) = (body(headers), body(written.unwrap_or(headers)));
            for chunk in 1..=body.len() {
                let (fields, ends, out) = read(&body, chunk);
                let expected =
                    [("a", "1"), ("b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
                assert_eq!((&fields[..], ends), (&expected[..], 1), "{headers:?} {chunk}");
                assert_eq!(out, written, "{headers:?} {chunk}");
            }
        }
        let (fields, _, out) = read(
            "--x\r\nContent-Disposition: form-data; name=\"a\\\"; filename=b\"\r\nX: y\r\n\r\n1\r\n--x--",
            9,
        );
        assert_eq!(fields, [("a%22; filename=b".to_owned(), "1".to_owned())]);
        let written =
            "--x\r\nContent-Disposition: form-data; name=\"a%22; filename=b\"\r\nX: y\r\n\r\n1\r\n--x--";
        assert_eq!(out, written);
    }

    #[test]
    fn large_fields_pass_in_linear_time() {
        let body = format!("{}{}--x--", field("a", &"\r\n--".repeat(40_000)), field("b", "1"));
        let (fields, ends, out) = read(&body, 100);
        assert_eq!((fields.len(), ends), (1, 1));
        assert_eq!(out, body);
        let many = field("a", &"y".repeat(60_000)).repeat(30) + "--x--";
        let (fields, ends, out) = read(&many, 1000);
        assert!(fields.len() < 20 && ends == 1);
        assert_eq!(out, many);
    }

    #[test]
    fn changed_fields_keep_their_headers() {
        let mut reader = Reader::new(b"multipart/form-data; boundary=x").unwrap();
        let body = "--x\r\nX-A: b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--";
        let parts = reader.feed(body.as_bytes());
        let Some(Part::Field(mut field)) = parts.into_iter().next() else { panic!("a field") };
        field.name = b"q\"\r\n".to_vec();
        field.value = b"2".to_vec();
        let mut out = Vec::new();
        reader.write(&field, &mut out);
        assert_eq!(out, b"--x\r\nX-A: b\r\nContent-Disposition: form-data; name=\"q%22%0D%0A\"\r\n\r\n2\r\n");
        out.clear();
        reader.write(&Field::new(b"n", b"v"), &mut out);
        assert_eq!(out, b"--x\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nv\r\n");
        for wrong in
            ["multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary=", ""]
        {
            assert!(Reader::new(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
