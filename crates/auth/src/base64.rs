//! Base64 as clients send it (RFC 4648): either alphabet, with or without padding.

use base64ct::{Base64Unpadded, Encoding};

/// Decodes a text, or returns `None` if it is not Base64. The time depends on the length only.
///
/// ```
/// for text in ["YTpi77-9", "YTpi77+9"] {
///     assert_eq!(auth::base64::decode(text.as_bytes()).as_deref(), Some("a:b\u{fffd}".as_bytes()));
/// }
/// for text in ["YQ==", "YQ"] {
///     assert_eq!(auth::base64::decode(text.as_bytes()).as_deref(), Some(b"a".as_slice()));
/// }
/// ```
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    let digits: Vec<u8> = text.iter().take(text.len() - padding).map(|byte| standard(*byte)).collect();
    let mut bytes = vec![0; digits.len() / 4 * 3 + 3];
    let length = Base64Unpadded::decode(&digits, &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// The digit of the standard alphabet for one of either, without a branch.
fn standard(byte: u8) -> u8 {
    let is = |digit: u8| u8::from(byte == digit);
    byte ^ (is(b'-') * (b'-' ^ b'+')) ^ (is(b'_') * (b'_' ^ b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_decoded() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9vYmE", "fooba"),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode(b"-_+/").as_deref(), Some([0xfb, 0xff, 0xbf].as_slice()));
    }

    #[test]
    fn other_texts_are_not_decoded() {
        let texts: [&[u8]; 14] = [
            b"Z",
            b"Zg=",
            b"Zg===",
            b"Zg==Zg==",
            b"Zm8==",
            b"Zm9v=",
            b"Zm9v====",
            b"=",
            b"Zh==",
            b"Zm9=",
            b"Zm 9v",
            b"Zm9v\n",
            b"Zm9\xff",
            b"Zm9,",
        ];
        for text in texts {
            assert_eq!(decode(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
