//! The nonce of a request.

use sdk::HeaderMap;

use crate::config::Config;

/// The nonce of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Nonce<'h> {
    /// It has none and needs none.
    None,
    /// It has none, but needs one.
    Missing,
    /// It has an invalid one, or several.
    Invalid,
    /// It has a valid one.
    Valid(&'h [u8]),
}

/// Finds the nonce of a request.
pub fn find<'h>(config: &'h Config, headers: &'h HeaderMap) -> Nonce<'h> {
    let mut values = headers.values(&config.nonce_header);
    match (values.next(), values.next()) {
        (None | Some(b""), None) if config.force_nonce => Nonce::Missing,
        (None | Some(b""), None) => Nonce::None,
        // Plug-ins and upstreams may read any of several.
        (Some(nonce), None)
            if config.lengths.contains(&nonce.len()) && (!config.validate_base64 || is_base64(nonce)) =>
        {
            Nonce::Valid(nonce)
        }
        _ => Nonce::Invalid,
    }
}

/// Returns true for Base64 with padding in the standard alphabet (RFC 4648, section 4). The unused bits of the last
/// character must be zero: otherwise, an upstream that decodes it would see the nonce of another request.
fn is_base64(text: &[u8]) -> bool {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (digits, padding) = text.split_at_checked(end).unwrap_or_default();
    let Some(values) = digits.iter().map(|byte| digit(*byte)).collect::<Option<Vec<u8>>>() else {
        return false;
    };
    let unused = match padding.len() {
        0 => 0,
        1 => 0b11,
        2 => 0b1111,
        _ => return false,
    };
    text.len().is_multiple_of(4) && values.last().is_none_or(|last| last & unused == 0)
}

/// Returns the value of a character.
fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling() {
        for text in ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "+/+/"] {
            assert!(is_base64(text.as_bytes()), "{text}");
        }
        for text in [
            "Zg", "Zg=", "Zh==", "Zm9=", "Zm8", "=", "==", "====", "Z===", "Zg==Zg==", "Z g=", "-_-_",
            "Zm9v\n",
        ] {
            assert!(!is_base64(text.as_bytes()), "{text}");
        }
    }
}
