//! JSON, flattened into arguments: `json.user.0.name`.

use super::TOO_MANY;

/// The maximum depth of a document.
const MAX_DEPTH: usize = 128;

/// The maximum size of all names and values: so many times that of the document, and so many bytes. A name contains those of all
/// containers, so a long one of an array would be repeated for each item.
const MAX_SIZE: (usize, usize) = (4, 65_536);

/// The values of a document with their names.
pub(crate) type Flattened = Vec<(Vec<u8>, Vec<u8>)>;

/// Flattens a document into at most so many values. All duplicates of a key are kept.
///
/// # Errors
///
/// The values before the first error, and what it is.
pub(crate) fn flatten(text: &[u8], max_values: usize) -> Result<Flattened, (Flattened, &'static str)> {
    let left = text.len().saturating_mul(MAX_SIZE.0).saturating_add(MAX_SIZE.1);
    let mut reader = Reader { text, at: 0, values: Vec::new(), name: b"json".to_vec(), max_values, left };
    let result = reader.document();
    match result {
        Ok(()) => Ok(reader.values),
        Err(error) => Err((reader.values, error)),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    values: Flattened,
    /// The name of the current value.
    name: Vec<u8>,
    max_values: usize,
    /// The bytes of names and values that may follow.
    left: usize,
}

/// A container that is open.
struct Open {
    /// The length of the name of the container.
    name: usize,
    /// The index of the next item of an array; `None` for an object.
    index: Option<usize>,
}

impl Reader<'_> {
    /// Reads without recursion, because depth is the client's choice.
    fn document(&mut self) -> Result<(), &'static str> {
        let mut open: Vec<Open> = Vec::new();
        let mut expects_value = true;
        loop {
            self.space();
            if expects_value {
                match self.text.get(self.at) {
                    Some(start @ (b'{' | b'[')) => {
                        if open.len() == MAX_DEPTH {
                            return Err("JSON is nested too deeply");
                        }
                        self.at += 1;
                        open.push(Open { name: self.name.len(), index: (*start == b'[').then_some(0) });
                        self.space();
                        let end = if *start == b'[' { b']' } else { b'}' };
                        if self.text.get(self.at) == Some(&end) {
                            expects_value = false;
                        } else {
                            self.next_name(&mut open)?;
                        }
                        continue;
                    }
                    Some(_) => {
                        let value = self.scalar()?;
                        self.push(value)?;
                    }
                    None => return Err("JSON ends unexpectedly"),
                }
                expects_value = false;
                continue;
            }
            let Some(container) = open.last() else {
                return match self.at == self.text.len() {
                    true => Ok(()),
                    false => Err("JSON is followed by other text"),
                };
            };
            let end = if container.index.is_some() { b']' } else { b'}' };
            match self.text.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    self.next_name(&mut open)?;
                    expects_value = true;
                }
                Some(byte) if *byte == end => {
                    self.at += 1;
                    self.name.truncate(container.name);
                    open.pop();
                }
                _ => return Err("JSON has a value without a comma before it"),
            }
        }
    }

    fn push(&mut self, value: Vec<u8>) -> Result<(), &'static str> {
        if self.values.len() == self.max_values {
            return Err(TOO_MANY);
        }
        let left = self.left.checked_sub(self.name.len() + value.len());
        self.left = left.ok_or("JSON repeats long names in too many values")?;
        self.values.push((self.name.clone(), value));
        Ok(())
    }

    /// Sets the name of the next item of the innermost container.
    fn next_name(&mut self, open: &mut [Open]) -> Result<(), &'static str> {
        let Some(container) = open.last_mut() else { return Ok(()) };
        self.name.truncate(container.name);
        self.name.push(b'.');
        match &mut container.index {
            Some(index) => {
                self.name.extend_from_slice(index.to_string().as_bytes());
                *index += 1;
            }
            None => {
                if self.text.get(self.at) != Some(&b'"') {
                    return Err("JSON has a name that is not a string");
                }
                let key = self.string()?;
                self.name.extend_from_slice(&key);
                self.space();
                if self.text.get(self.at) != Some(&b':') {
                    return Err("JSON has a name without a value");
                }
                self.at += 1;
            }
        }
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn scalar(&mut self) -> Result<Vec<u8>, &'static str> {
        if self.text.get(self.at) == Some(&b'"') {
            return self.string();
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length =
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let word = rest.get(..length).unwrap_or_default();
        self.at += length;
        match word {
            b"true" | b"false" => Ok(word.to_vec()),
            b"null" => Ok(Vec::new()),
            [b'-' | b'0'..=b'9', ..]
                if std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok()) =>
            {
                Ok(word.to_vec())
            }
            _ => Err("JSON has an invalid value"),
        }
    }

    fn string(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut out = Vec::new();
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return Ok(out),
                b'\\' => self.escape(&mut out)?,
                0..=0x1f => return Err("JSON has a control character in a string"),
                byte => out.push(byte),
            }
        }
        Err("JSON has a string without an end")
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let escape = self.text.get(self.at).copied();
        self.at += 1;
        out.push(match escape {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let mut code = self.four_digits()?;
                if (0xd800..0xdc00).contains(&code) && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                    let before = self.at;
                    self.at += 2;
                    match self.four_digits()? {
                        low @ 0xdc00..0xe000 => code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00),
                        _ => self.at = before,
                    }
                }
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err("JSON has an invalid escape"),
        });
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, &'static str> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        self.at += 4;
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or("JSON has an invalid escape")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let values = flatten(text.as_bytes(), usize::MAX).unwrap_or_else(|(values, _)| values);
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        values.iter().map(|(name, value)| format!("{}={}", show(name), show(value))).collect()
    }

    #[test]
    fn values_have_the_path_as_their_name() {
        let text = r#" {"a": {"b": [1, "x\u0041\ud83d\ude00", {"c": null}]}, "a": true, "d": [], "e": {}} "#;
        assert_eq!(names(text), ["json.a.b.0=1", "json.a.b.1=xA😀", "json.a.b.2.c=", "json.a=true"]);
        assert_eq!(names("5"), ["json=5"]);
    }

    #[test]
    fn values_before_an_error_are_kept() {
        for text in [
            "",
            "{",
            "{\"a\":1",
            "{\"a\":1}x",
            "[1 2]",
            "[1,]",
            "{1:2}",
            "{\"a\"}",
            "\"\n\"",
            "[nul]",
            "\"\\x\"",
            "[1}",
            "\"\\ud8\"",
        ] {
            assert!(flatten(text.as_bytes(), usize::MAX).is_err(), "{text}");
        }
        assert_eq!(names("{\"a\":1,\"b\":x}"), ["json.a=1"]);
        assert!(flatten("[".repeat(200).as_bytes(), usize::MAX).unwrap_err().1.contains("deep"));
    }

    #[test]
    fn the_number_and_the_size_of_values_are_limited() {
        assert_eq!(flatten(b"[1,2,3]", 3).unwrap().len(), 3);
        let (values, error) = flatten(b"[1,2,3,4]", 3).unwrap_err();
        assert_eq!((values.len(), error), (3, TOO_MANY));
        let long = format!("{{\"{}\":[{}1]}}", "a".repeat(100_000), "1,".repeat(50_000));
        let (values, error) = flatten(long.as_bytes(), usize::MAX).unwrap_err();
        let size: usize = values.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(size <= 4 * long.len() + 65_536, "{size}");
        assert_eq!(error, "JSON repeats long names in too many values");
        let items = r#"{"id":1,"description":"a","tags":["a","b"]}"#;
        let ordinary = format!("{{\"items\":[{}{items}]}}", format!("{items},").repeat(10_000));
        assert_eq!(flatten(ordinary.as_bytes(), usize::MAX).unwrap().len(), 40_004);
    }

    proptest::proptest! {
        #[test]
        fn valid_documents_are_those_of_serde(text in r#"[\[\]{},:"a1\\ utrenlsf.-]{0,16}"#) {
            let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // Numbers are read more generously than JSON permits, so only one direction holds.
            if valid {
                proptest::prop_assert!(flatten(text.as_bytes(), usize::MAX).is_ok());
            }
        }
    }
}
