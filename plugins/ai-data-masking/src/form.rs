//! Detects the format of a body by its first bytes, because its content type is chosen by the sender.

/// The format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It begins like JSON.
    Json,
    /// Another format, in which paths select nothing.
    Other,
    /// JSON for some parsers, but not for this one: UTF-16, UTF-32, and UTF-8 with a byte order mark.
    Unreadable,
    /// More bytes are needed.
    Open,
}

/// The kind of a code unit at the start of a body.
#[derive(PartialEq, Eq)]
enum Unit {
    /// Whitespace, or a byte order mark.
    Space,
    /// `{` or `[`.
    Begin,
    Other,
    /// More bytes are needed.
    Open,
}

/// Unicode encodings: bytes per unit, and true for big-endian.
const ENCODINGS: &[(usize, bool)] = &[(1, true), (2, true), (2, false), (4, true), (4, false)];
const SPACE: &[u32] = &[0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d];
const MARK: &[u32] = &[0xfeff];
const BEGIN: &[u32] = &[0x7b, 0x5b];
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Returns the format of a body that begins with these bytes. It is complete if `ended` is true.
pub fn form(body: &[u8], ended: bool) -> Form {
    let encodings = match body {
        // No wider encoding begins with two ASCII bytes.
        [1..=0x7f, second, ..] if *second != 0 => ENCODINGS.get(..1).unwrap_or(ENCODINGS),
        _ => ENCODINGS,
    };
    let rest = body.strip_prefix(UTF8_MARK);
    let mut open = rest.is_none() && UTF8_MARK.starts_with(body);
    for (index, &(width, big)) in encodings.iter().enumerate() {
        let marked = index == 0 && rest.is_some();
        let from = if marked { rest.unwrap_or_default() } else { body };
        match first(from, width, big) {
            Unit::Begin if index == 0 && !marked => return Form::Json,
            Unit::Begin => return Form::Unreadable,
            Unit::Open | Unit::Space => open = true,
            Unit::Other => {}
        }
    }
    if open && !ended { Form::Open } else { Form::Other }
}

/// Returns the first unit that is not whitespace.
fn first(body: &[u8], width: usize, big: bool) -> Unit {
    // There may be many single-byte spaces.
    let is_space = |byte: &u8| SPACE.contains(&u32::from(*byte));
    let spaces = if width == 1 { body.iter().take_while(|byte| is_space(byte)).count() } else { 0 };
    for (index, bytes) in body.chunks(width).enumerate().skip(spaces) {
        match unit(bytes, width, big, index == 0) {
            Unit::Space => {}
            // In UTF-32, `{` has three zero bytes, which occur in binary formats as well.
            Unit::Begin if width == 4 => {
                let next = body.get((index + 1) * 4..).unwrap_or_default();
                let next = next.get(..4).unwrap_or(next);
                let is_zero = |(at, byte): (usize, &u8)| *byte == 0 || at == if big { 3 } else { 0 };
                return match (next.iter().enumerate().all(is_zero), next.len()) {
                    (true, 4) => Unit::Begin,
                    (true, _) => Unit::Open,
                    (false, _) => Unit::Other,
                };
            }
            other => return other,
        }
    }
    Unit::Open
}

fn unit(bytes: &[u8], width: usize, big: bool, first: bool) -> Unit {
    let mut open = false;
    let mark = if first && width > 1 { MARK } else { &[] };
    let all = [(SPACE, Unit::Space), (mark, Unit::Space), (BEGIN, Unit::Begin)];
    for (codes, kind) in all {
        for code in codes {
            let (high, low) = (code.to_be_bytes(), code.to_le_bytes());
            let expected = if big { high.get(4 - width..) } else { low.get(..width) }.unwrap_or_default();
            if expected == bytes {
                return kind;
            }
            open |= expected.starts_with(bytes);
        }
    }
    if open { Unit::Open } else { Unit::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a text.
    fn encoded(text: &str, (width, big): (usize, bool)) -> Vec<u8> {
        let unit = |code: u32| match big {
            true => code.to_be_bytes()[4 - width..].to_vec(),
            false => code.to_le_bytes()[..width].to_vec(),
        };
        text.chars().flat_map(|c| unit(u32::from(c))).collect()
    }

    #[test]
    fn json_is_detected_in_every_encoding_and_for_any_prefix() {
        for &encoding in ENCODINGS {
            for text in ["{}", "[1]", " \r\n\t{\"a\":1}", "\u{feff}{\"a\":1}", "\u{feff}\n[]"] {
                if encoding.0 == 1 && text.starts_with('\u{feff}') {
                    continue;
                }
                let body = encoded(text, encoding);
                // A body that begins with the byte `{` is invalid JSON, because a zero follows.
                let same_byte = body.starts_with(b"{") || body.starts_with(b"[");
                let expected = if encoding.0 == 1 || same_byte { Form::Json } else { Form::Unreadable };
                assert_eq!(form(&body, true), expected, "{text:?} {encoding:?}");
                for length in 0..body.len() {
                    let prefix = form(&body[..length], false);
                    assert!(prefix == expected || prefix == Form::Open, "{text:?} {encoding:?} {length}");
                }
            }
        }
        assert_eq!(form("\u{feff} {}".as_bytes(), true), Form::Unreadable);
        assert_eq!(form(b"", true), Form::Other);
        assert_eq!(form(b"", false), Form::Open);
        assert_eq!(form(b" \n", true), Form::Other);
    }

    #[test]
    fn other_formats_are_detected_by_their_first_bytes() {
        for body in [
            &b"\0\0\0\x18ftypmp42"[..],
            b"\0\0\0\0\x05hello",
            b"\x01\0\0\x01\0",
            b"\0\0\0\x7b\x10\x0a\x05hello",
            b"\0\0\0\x20ftyp",
            b"--boundary",
            b"\r\n--boundary",
            b"a=b",
            b"<html>",
            b"\xef\xbb\xbfid,name",
            b"\xff\xfea\0,\0",
            b"\xfe\xff\0a",
            b"\x89PNG",
            b"\xff\xd8\xff\xe0",
            b"%PDF",
            b"PK\x03\x04",
            b"\x1f\x8b\x08",
            b"\x81\x85abcd",
            b"\"text\"",
            b"\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(form(body, false), Form::Other, "{body:?}");
        }
    }
}
