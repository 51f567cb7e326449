//! Encodings of bytes as text.

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Returns the byte of two digits at `at`.
fn pair(value: &[u8], at: usize) -> Option<u8> {
    Some(digit(*value.get(at)?)? << 4 | digit(*value.get(at + 1)?)?)
}

/// Returns the byte for four digits at `at`: the low one, or ASCII for a full-width form of it.
fn unicode(value: &[u8], at: usize) -> Option<u8> {
    let (high, low) = (pair(value, at)?, pair(value, at + 2)?);
    Some(fold_width(high == 0xff, low))
}

fn fold_width(full: bool, low: u8) -> u8 {
    if full && (1..0x5f).contains(&low) { low + 0x20 } else { low }
}

/// Decodes a query that may have escapes of four digits (`%u0041`).
pub(super) fn url_with_unicode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let escape = (byte == b'%').then(|| value.get(at + 1)).flatten();
        let decoded = match escape {
            Some(b'u' | b'U') => unicode(value, at + 2).map(|byte| (byte, 6)),
            Some(_) => pair(value, at + 1).map(|byte| (byte, 3)),
            None => None,
        };
        let (byte, length) = decoded.unwrap_or((if byte == b'+' { b' ' } else { byte }, 1));
        out.push(byte);
        at += length;
    }
    out
}

pub(super) fn url_encode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 3);
    for byte in value {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(*byte),
            byte => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    out
}

pub(super) fn js(value: &[u8]) -> Vec<u8> {
    unescape(value, |letter, at| match letter {
        b'u' => unicode(value, at).map(|byte| (byte, 6)),
        b'x' => pair(value, at).map(|byte| (byte, 4)),
        _ => None,
    })
}

/// Decodes the escapes of C.
pub(super) fn escape_sequences(value: &[u8]) -> Vec<u8> {
    unescape(value, |letter, at| match letter {
        b'x' | b'X' => pair(value, at).map(|byte| (byte, 4)),
        _ => None,
    })
}

/// Decodes escapes after backslashes: those that `read` knows by their letter and the position after it, octal digits, and control
/// characters. Others lose their backslash. Lengths include it.
fn unescape(value: &[u8], read: impl Fn(u8, usize) -> Option<(u8, usize)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let Some(&next) = (byte == b'\\').then(|| value.get(at + 1)).flatten() else {
            out.push(byte);
            at += 1;
            continue;
        };
        let decoded = match next {
            b'0'..=b'7' => Some(octal(value, at + 1)),
            letter => read(letter, at + 2),
        };
        let (byte, length) = decoded.unwrap_or_else(|| (control(next).unwrap_or(next), 2));
        out.push(byte);
        at += length;
    }
    out
}

/// Reads up to three octal digits at `at`, of at most `\377`, and returns the length with the backslash.
fn octal(value: &[u8], at: usize) -> (u8, usize) {
    let (mut number, mut length) = (0u8, 1);
    while length < 4 {
        let Some(&next @ b'0'..=b'7') = value.get(at + length - 1) else { break };
        let Some(larger) = number.checked_mul(8).and_then(|number| number.checked_add(next - b'0')) else {
            break;
        };
        number = larger;
        length += 1;
    }
    (number, length)
}

fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}

pub(super) fn css(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let digits = rest.iter().take(6).map_while(|byte| digit(*byte)).collect::<Vec<u8>>();
        match digits.as_slice() {
            [] => match rest.split_first() {
                // A line end after a backslash does not exist.
                Some((b'\n', after)) => rest = after,
                Some((&byte, after)) => {
                    out.push(byte);
                    rest = after;
                }
                None => {}
            },
            [single] => out.push(*single),
            [front @ .., high, low] => {
                let full = match front {
                    [zeros @ .., 0xf, 0xf] => zeros.iter().all(|zero| *zero == 0),
                    _ => false,
                };
                out.push(fold_width(full, high << 4 | low));
            }
        }
        if !digits.is_empty() {
            rest = rest.get(digits.len()..).unwrap_or_default();
            // One white space ends an escape.
            if let Some((b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r', after)) = rest.split_first() {
                rest = after;
            }
        }
    }
    out
}

pub(super) fn html(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte == b'&').then(|| entity(after)).flatten() {
            Some((byte, length)) => {
                out.push(byte);
                rest = after.get(length..).unwrap_or_default();
                rest = rest.strip_prefix(b";").unwrap_or(rest);
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// Returns the byte of an entity after its `&`, and its length without `;`.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    if let Some(number) = text.strip_prefix(b"#") {
        let (radix, prefix, digits) = match number.split_first() {
            Some((b'x' | b'X', digits)) => (16, 2, digits),
            _ => (10, 1, number),
        };
        let mut code = 0u32;
        let mut length = 0;
        while let Some(digit) = digits.get(length).and_then(|byte| char::from(*byte).to_digit(radix)) {
            code = code.wrapping_mul(radix).wrapping_add(digit);
            length += 1;
        }
        let [low, ..] = code.to_le_bytes();
        return (length > 0).then_some((low, prefix + length));
    }
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = text.get(..length)?;
    let entities: [(&[u8], u8); 5] =
        [(b"quot", b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xa0)];
    let (_, byte) = entities.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some((*byte, length))
}

/// Decodes up to the first byte that does not belong to the alphabet, or skips such bytes.
pub(super) fn base64(value: &[u8], forgiving: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in value {
        let number = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\r' | b'\n' => continue,
            b'=' => break,
            _ if forgiving => continue,
            _ => break,
        };
        bits = bits << 6 | u32::from(number);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [low, ..] = (bits >> count).to_le_bytes();
            out.push(low);
        }
    }
    out
}

pub(super) fn base64_encode(value: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(value.len().div_ceil(3) * 4);
    for chunk in value.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let number = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or_default();
            let letter = ALPHABET.get(number).copied().unwrap_or_default();
            out.push(if position > u32::try_from(chunk.len()).unwrap_or_default() { b'=' } else { letter });
        }
    }
    out
}

pub(super) fn hex(value: &[u8]) -> Vec<u8> {
    let (pairs, _) = value.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| digit(*high).unwrap_or_default() << 4 | digit(*low).unwrap_or_default())
        .collect()
}

/// Decodes numbers such as `0x414243`.
pub(super) fn sql_hex(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let prefixed =
            byte == b'0' && matches!(value.get(at + 1), Some(b'x' | b'X')) && pair(value, at + 2).is_some();
        if !prefixed {
            out.push(byte);
            at += 1;
            continue;
        }
        at += 2;
        while let Some(byte) = pair(value, at) {
            out.push(byte);
            at += 2;
        }
    }
    out
}

/// Writes characters beyond ASCII as `%uXXXX`. Invalid bytes stay.
pub(super) fn utf8_to_unicode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u8::try_from(c) {
                Ok(byte @ 0..=0x7f) => out.push(byte),
                _ => out.extend_from_slice(format!("%u{:04x}", u32::from(c)).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
    out
}
