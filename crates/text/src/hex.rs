//! Bytes as hexadecimal digits.

/// Encodes bytes, in lower case.
///
/// ```
/// assert_eq!(text::hex::encode(b"\x00\xfe"), "00fe");
/// ```
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

fn digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' - 10 + value })
}

/// Decodes pairs of digits in either case, or returns `None` if the text is anything else.
///
/// ```
/// assert_eq!(text::hex::decode("00Fe"), Some(vec![0x00, 0xfe]));
/// assert_eq!(text::hex::decode("0"), None);
/// assert_eq!(text::hex::decode("0x"), None);
/// ```
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_decoded_as_it_was_encoded() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encode(&bytes);
        assert_eq!(text[..8], *"00010203");
        assert_eq!(text[506..], *"fdfeff");
        assert_eq!(decode(&text), Some(bytes.clone()));
        assert_eq!(decode(&text.to_uppercase()), Some(bytes));
        assert_eq!(decode("0é"), None);
        assert_eq!(decode(""), Some(Vec::new()));
    }
}
