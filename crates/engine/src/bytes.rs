//! Bytes as a case writes them, and as a message shows them: a header or a body need not be text.

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// Bytes from a cases file.
///
/// Written as a string; as `{escaped: 'a\xff\r'}` with `\xNN`, `\\`, `\n`, `\r`, `\t` and `\0`; as
/// `{repeat: ab, times: 1000}`, where what is repeated may be any of these; or as a list of these,
/// joined. `{grpc: message}` is a gRPC message with the five bytes before it, `{frame: text}` a WebSocket text frame as a
/// server sends it, and `{masked: text}` the same from a client, masked with the key 1, 2, 3, 4.
///
/// ```
/// use engine::ByteString;
///
/// let bytes: ByteString = serde_yaml::from_str(r"[a, {escaped: '\xff'}, {repeat: b, times: 3}]")?;
/// assert_eq!(bytes, ByteString::from(b"a\xffbbb".as_slice()));
/// # Ok::<(), serde_yaml::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteString(Vec<u8>);

/// The most bytes that one value may have: a slip of the pen must not fill the memory.
const LARGEST: usize = 256 * 1024 * 1024;

impl Deref for ByteString {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for ByteString {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.0))
    }
}

/// Bytes in a message: text stays readable, everything else is escaped, and a long value is cut.
pub struct Shown<'a>(pub &'a [u8]);

/// How many bytes a message shows of each end of a long value.
const SHOWN: usize = 200;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.len();
        if length <= 2 * SHOWN {
            write!(f, "\"")?;
            escape(self.0, f)?;
            return write!(f, "\"");
        }
        let (start, rest) = self.0.split_at(SHOWN);
        let (left_out, end) = rest.split_at(rest.len() - SHOWN);
        write!(f, "\"")?;
        escape(start, f)?;
        write!(f, "\" … {} bytes left out … \"", left_out.len())?;
        escape(end, f)?;
        write!(f, "\" ({length} bytes)")
    }
}

/// Bytes as a cases file can write them.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{escaped: '")?;
        for byte in self.0 {
            match byte {
                b'\'' => write!(f, "''")?,
                b'\\' => write!(f, "\\\\")?,
                b' '..=b'~' => write!(f, "{}", char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        write!(f, "'}}")
    }
}

fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => write!(f, "\\n")?,
                '\r' => write!(f, "\\r")?,
                '\t' => write!(f, "\\t")?,
                _ if character.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(character))?,
                _ => write!(f, "{character}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Reads the escapes of `{escaped: …}`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('\\') => b'\\',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                match u8::from_str_radix(&digits, 16) {
                    Ok(byte) if digits.len() == 2 && !digits.starts_with('+') => byte,
                    _ => return Err(format!("`\\x{digits}`: write two hexadecimal digits after `\\x`")),
                }
            }
            Some(other) => {
                return Err(format!("unknown escape `\\{other}`: write \\xNN, \\\\, \\n, \\r, \\t or \\0"));
            }
            None => return Err("ends in a single `\\`: write `\\\\` for a backslash".into()),
        });
    }
    Ok(bytes)
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = ByteString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bytes: a string (a number goes in quotes), {{escaped: '…'}}, {{repeat: …, times: N}}, {{grpc: …}}, {{frame: …}}, \
             {{masked: …}}, or a list of these"
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteString, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ByteString, A::Error> {
        let mut all = Vec::new();
        while let Some(ByteString(part)) = parts.next_element()? {
            within_limit::<A::Error>(all.len().checked_add(part.len()))?;
            all.extend_from_slice(&part);
        }
        Ok(ByteString(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ByteString, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            escaped: Option<String>,
            repeat: Option<ByteString>,
            times: Option<usize>,
            grpc: Option<ByteString>,
            frame: Option<ByteString>,
            masked: Option<ByteString>,
        }
        let form = Form::deserialize(de::value::MapAccessDeserializer::new(map))?;
        match (form.escaped, form.repeat, form.times, form.grpc, form.frame, form.masked) {
            (Some(text), None, None, None, None, None) => {
                unescape(&text).map(ByteString).map_err(de::Error::custom)
            }
            (None, Some(ByteString(part)), Some(times), None, None, None) => {
                within_limit::<A::Error>(part.len().checked_mul(times))?;
                Ok(ByteString(part.repeat(times)))
            }
            (None, None, None, Some(message), None, None) => Ok(grpc_message(&message)),
            (None, None, None, None, Some(text), None) => Ok(frame(&text, None)),
            (None, None, None, None, None, Some(text)) => Ok(frame(&text, Some(MASK))),
            _ => Err(de::Error::custom(
                "write either `{escaped: …}`, `{repeat: …, times: N}`, `{grpc: …}`, `{frame: …}` or `{masked: …}`",
            )),
        }
    }
}

/// The key of every masked frame: a case has the same bytes in every run.
const MASK: [u8; 4] = [1, 2, 3, 4];

/// A message as gRPC sends it: not compressed, its length, its bytes.
fn grpc_message(message: &[u8]) -> ByteString {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    ByteString([&[0], length.to_be_bytes().as_slice(), message].concat())
}

/// A text frame of a WebSocket that is a whole message (RFC 6455, section 5.2).
fn frame(text: &[u8], mask: Option<[u8; 4]>) -> ByteString {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![0x81];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length @ ..126), _) => bytes.push(masked | length),
        (_, Ok(length)) => {
            bytes.push(masked | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((text.len() as u64).to_be_bytes());
        }
    }
    match mask {
        Some(mask) => {
            bytes.extend(mask);
            bytes.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        None => bytes.extend(text),
    }
    ByteString(bytes)
}

fn within_limit<E: de::Error>(length: Option<usize>) -> Result<(), E> {
    match length {
        Some(length) if length <= LARGEST => Ok(()),
        _ => Err(E::custom(format!("longer than {} MiB: write a smaller `times`", LARGEST / 1024 / 1024))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<ByteString, String> {
        serde_yaml::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_gives_its_bytes() {
        assert_eq!(read("plain").unwrap(), "plain".into());
        assert_eq!(read("''").unwrap(), "".into());
        assert_eq!(
            read(r"{escaped: 'é\xff\\\n\r\t\0'}").unwrap(),
            b"\xc3\xa9\xff\\\n\r\t\0".as_slice().into()
        );
        assert_eq!(read("{repeat: ab, times: 3}").unwrap(), "ababab".into());
        assert_eq!(read(r"{repeat: [a, {escaped: '\x00'}], times: 2}").unwrap(), b"a\0a\0".as_slice().into());
        assert_eq!(read("[]").unwrap(), "".into());
        assert_eq!(read("{grpc: ab}").unwrap(), b"\0\0\0\0\x02ab".as_slice().into());
        assert_eq!(read("{frame: ab}").unwrap(), b"\x81\x02ab".as_slice().into());
        assert_eq!(read("{masked: abcde}").unwrap(), b"\x81\x85\x01\x02\x03\x04````d".as_slice().into());
        let long = read("{masked: {repeat: a, times: 300}}").unwrap();
        assert_eq!((long.len(), &long[..4]), (308, b"\x81\xfe\x01\x2c".as_slice()));
        assert_eq!(read("{frame: {repeat: a, times: 65536}}").unwrap().len(), 65546);
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        for (yaml, message) in [
            ("12", "a number goes in quotes"),
            (r"{escaped: '\q'}", r"unknown escape `\q`"),
            (r"{escaped: '\x+1'}", "two hexadecimal digits"),
            (r"{escaped: '\xf'}", "two hexadecimal digits"),
            (r"{escaped: 'a\'}", r"write `\\`"),
            ("{repeat: a}", "times: N"),
            ("{escaped: a, times: 2}", "either"),
            ("{escape: a}", "unknown field"),
            ("{repeat: ab, times: 18446744073709551615}", "smaller `times`"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(message), "{yaml}: {error}");
        }
    }

    #[test]
    fn shown_bytes_are_readable_and_short() {
        assert_eq!(Shown("搜索\"\n\x01".as_bytes()).to_string(), r#""搜索\"\n\x01""#);
        assert_eq!(Shown(b"a\xff").to_string(), r#""a\xff""#);
        let long = Shown(&[b'a'; 1000]).to_string();
        assert!(long.len() < 600 && long.contains("600 bytes left out"), "{long}");
    }
}
