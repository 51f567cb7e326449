//! Percent-encoding (RFC 3986, section 2.1).

use std::borrow::Cow;

/// Decodes `%41` to its byte. A `%` without two hexadecimal digits is kept (URL Standard, section 1.3).
///
/// ```
/// assert_eq!(&*text::percent::decode(b"a%20b+%zz"), b"a b+%zz");
/// ```
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    decode_with(text, b'+')
}

/// The same for forms and queries, in which `+` is a space (URL Standard, section 5.1).
///
/// ```
/// assert_eq!(&*text::percent::decode_form(b"a%20b+c"), b"a b c");
/// ```
pub fn decode_form(text: &[u8]) -> Cow<'_, [u8]> {
    decode_with(text, b' ')
}

fn decode_with(text: &[u8], plus: u8) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => plus,
            (b'%', [high, low, after @ ..]) => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    (high * 16 + low) as u8
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_and_invalid_escapes_are_kept() {
        assert_eq!(&*decode_form(b"%zz%4%%41%"), b"%zz%4%A%");
        assert_eq!(&*decode(b"%C3%a4+%2B"), "ä++".as_bytes());
        assert!(matches!(decode(b"plain"), Cow::Borrowed(_)));
    }
}
