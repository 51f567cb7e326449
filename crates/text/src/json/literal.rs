//! Reading and changing the text of string literals.

use std::borrow::Cow;
use std::ops::Range;

/// Returns the bytes between the quotes of a literal.
fn inner(literal: &[u8]) -> Option<&str> {
    let inner = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(inner).ok()
}

/// Decodes the text of a literal with its quotes. It is borrowed if there are no escapes. An unpaired surrogate becomes
/// U+FFFD.
///
/// Returns `None` if it is not a literal.
#[must_use]
pub fn decode(literal: &[u8]) -> Option<Cow<'_, str>> {
    let inner = inner(literal)?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        let (character, length) = match first {
            '\\' => escape(rest)?,
            other => (other, other.len_utf8()),
        };
        text.push(character);
        rest = rest.get(length..)?;
    }
    Some(Cow::Owned(text))
}

/// Encodes a text as a literal with its quotes, with as few escapes as possible.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    push_encoded(&mut literal, text);
    literal.push('"');
    literal
}

/// Replaces ranges of the text of a literal. They are ranges in the result of [`decode`], in order, without overlap. The
/// other parts of the literal stay unchanged.
///
/// Returns `None` if it is not a literal, or if the ranges are not in order or do not begin and end between characters.
#[must_use]
pub fn splice(literal: &[u8], edits: &[(Range<usize>, &str)]) -> Option<Vec<u8>> {
    let inner = inner(literal)?;
    let mut result = String::with_capacity(literal.len());
    result.push('"');
    // The position in the literal, and the corresponding one in its text.
    let (mut raw, mut at) = (0, 0);
    for (range, replacement) in edits {
        let (kept, start) = advance(inner, raw, at, range.start)?;
        result.push_str(inner.get(raw..kept)?);
        push_encoded(&mut result, replacement);
        (raw, at) = advance(inner, kept, start, range.end)?;
    }
    result.push_str(inner.get(raw..)?);
    result.push('"');
    Some(result.into_bytes())
}

/// Advances to a position in the text, and returns the position in the literal and in the text.
fn advance(inner: &str, mut raw: usize, mut at: usize, to: usize) -> Option<(usize, usize)> {
    while at < to {
        let rest = inner.get(raw..)?;
        let (character, length) = match rest.chars().next()? {
            '\\' => escape(rest)?,
            other => (other, other.len_utf8()),
        };
        raw += length;
        at += character.len_utf8();
    }
    (at == to).then_some((raw, at))
}

/// Returns the character of an escape and the length of the escape, which may be a surrogate pair.
fn escape(text: &str) -> Option<(char, usize)> {
    let simple = match text.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((simple, 2))
}

fn unicode(text: &str) -> Option<(char, usize)> {
    let first = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = text.get(6..).and_then(unit).filter(|second| (0xDC00..0xE000).contains(second));
    match second {
        Some(second) if first < 0xDC00 => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            Some((char::from_u32(code)?, 12))
        }
        _ => Some((char::REPLACEMENT_CHARACTER, 6)),
    }
}

/// Returns the code unit of `\uXXXX`.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u32::from_str_radix(digits, 16).ok()
}

fn push_encoded(literal: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            control if control < ' ' => {
                let code = u32::from(control);
                literal.push_str("\\u00");
                for digit in [code >> 4, code & 15] {
                    literal.extend(char::from_digit(digit, 16));
                }
            }
            other => literal.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        for (literal, text) in [
            (r#""""#, ""),
            (r#""a b""#, "a b"),
            (r#""\u0062ad\/\"\\\b\f\n\r\t""#, "bad/\"\\\u{8}\u{c}\n\r\t"),
            (r#""\ud83d\ude00!""#, "😀!"),
            (r#""\ud83d!\ude00""#, "\u{fffd}!\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""敏感\u8bcd""#, "敏感词"),
        ] {
            assert_eq!(decode(literal.as_bytes()).unwrap(), text, "{literal}");
            let again = encode(text);
            assert_eq!(decode(again.as_bytes()).unwrap(), text, "{again}");
        }
        for wrong in ["", "\"", "a", "\"a", r#""\x""#, r#""\u12""#, r#""\u+123""#, r#""\"#] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_around_an_edit_stays_as_it_is_written() {
        let literal = r#""\u0061\/\ud83d\ude00 bad \u0062\u0061d\n""#.as_bytes();
        let text = decode(literal).unwrap();
        assert_eq!(text, "a/😀 bad bad\n");
        let edits = [(7..10, "*\""), (11..14, "\u{1}")];
        let changed = splice(literal, &edits).unwrap();
        assert_eq!(String::from_utf8(changed).unwrap(), r#""\u0061\/\ud83d\ude00 *\" \u0001\n""#);
        assert_eq!(splice(literal, &[]).unwrap(), literal);
        // Inside of a character, backwards, and after the end.
        for wrong in [vec![(3..6, "")], vec![(4..6, ""), (0..1, "")], vec![(0..99, "")]] {
            assert_eq!(splice(literal, &wrong), None, "{wrong:?}");
        }
    }
}
