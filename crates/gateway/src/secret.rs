//! Secrets in requests, responses and configurations, and their replacement in output.
//!
//! People paste traces into reports, so the values of credentials are replaced everywhere: in headers, parameters and
//! cookies by their names, and in everything else (bodies, lines of a log) by the values found under such names.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Shown in place of a secret.
pub const HIDDEN: &str = "<hidden>";

/// Names of secrets, and parts of names that mark a secret. Case, `-`, `_` and `.` do not matter.
const NAMES: [&str; 5] = ["authorization", "proxyauthorization", "cookie", "setcookie", "xcasignature"];
const PARTS: [&str; 6] = ["apikey", "token", "secret", "password", "passwd", "credential"];

/// The minimum length of a value that is searched for in other texts: shorter ones occur in ordinary words.
const MIN_LENGTH: usize = 4;
/// The same for cookies that are not marked by their names.
const MIN_COOKIE: usize = 8;

/// Returns true if a header, a parameter, a cookie or a field of a configuration with this name is secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    NAMES.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// Replaces secrets.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    disabled: bool,
    /// Values found under secret names, the longest first.
    values: Vec<String>,
}

impl Redactor {
    /// One that replaces nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self { disabled: true, values: Vec::new() }
    }

    /// Returns true if it replaces nothing.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Learns the secrets of a header, so they are hidden elsewhere too.
    pub fn learn(&mut self, name: &[u8], value: &[u8]) {
        let mut values = Vec::new();
        hide_header(&lossy(name), &lossy(value), &mut |secret, shortest| {
            values.push((secret.to_owned(), shortest));
            // The credentials after a scheme, and the value without percent-encoding.
            values.extend(secret.split_once(' ').map(|(_, rest)| (rest.to_owned(), shortest)));
            values.push((decoded(secret).into_owned(), shortest));
            let escaped = Value::from(secret).to_string();
            let inside = escaped.get(1..escaped.len() - 1).unwrap_or_default();
            values.push((inside.to_owned(), shortest));
        });
        for (value, shortest) in values {
            if value.len() >= shortest && !self.values.contains(&value) {
                self.values.push(value);
            }
        }
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The value of a header without secrets.
    #[must_use]
    pub fn header(&self, name: &[u8], value: &[u8]) -> String {
        let (name, value) = (lossy(name), lossy(value));
        if self.disabled {
            return value.into_owned();
        }
        self.values_hidden(hide_header(&name, &value, &mut |_, _| {}))
    }

    /// Any other text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.disabled {
            return text.to_owned();
        }
        let hidden = hide_members(&hide_parameters(text, &mut |_, _| {}));
        self.values_hidden(hidden)
    }

    /// Bytes without secrets.
    #[must_use]
    pub fn bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match std::str::from_utf8(bytes) {
            _ if self.disabled => bytes.into(),
            Ok(text) => self.text(text).into_bytes().into(),
            // Only known values can be found here.
            Err(_) => {
                let replace = |bytes: Vec<u8>, value: &String| replaced(&bytes, value.as_bytes());
                self.values.iter().fold(bytes.to_vec(), replace).into()
            }
        }
    }

    /// Hides the secrets of a configuration: fields with secret names, and those that the schema marks.
    pub fn configuration(&self, fields: &mut Map<String, Value>, schema: Option<&Value>) {
        if self.disabled {
            return;
        }
        for (name, value) in fields {
            let schema = schema.and_then(|schema| {
                let own = schema.get("properties").and_then(|properties| properties.get(name));
                own.or_else(|| schema.get("additionalProperties"))
            });
            // Such as the number of tokens that a limit permits.
            let is_amount = value.is_number() && schema.is_some_and(declares_number);
            if is_secret(name) && !is_amount {
                hide_all(value);
            } else {
                self.value(value, schema);
            }
        }
    }

    fn value(&self, value: &mut Value, schema: Option<&Value>) {
        let mark = |name: &str, marked: Value| schema.and_then(|schema| schema.get(name)) == Some(&marked);
        if mark("writeOnly", true.into()) || mark("format", "password".into()) {
            return hide_all(value);
        }
        match value {
            Value::Object(fields) => self.configuration(fields, schema),
            Value::Array(entries) => {
                let schema = schema.and_then(|schema| schema.get("items"));
                entries.iter_mut().for_each(|entry| self.value(entry, schema));
            }
            Value::String(text) => *text = self.text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn values_hidden(&self, mut text: String) -> String {
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), HIDDEN);
            }
            // A body that was read in part may end within a secret.
            let ends = (MIN_LENGTH..value.len()).rev().filter_map(|end| value.get(..end));
            if let Some(start) = ends.into_iter().find(|start| text.ends_with(start)) {
                text.truncate(text.len() - start.len());
                text.push_str(HIDDEN);
            }
        }
        text
    }
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Called with each secret, and the minimum length at which it is searched for elsewhere.
type Found<'t> = dyn FnMut(&str, usize) + 't;

fn hide_header(name: &str, value: &str, found: &mut Found<'_>) -> String {
    match name.to_ascii_lowercase().as_str() {
        "cookie" => joined(value.split(';').map(|cookie| hide_cookie(cookie, found)), ";"),
        "set-cookie" => {
            let (cookie, attributes) = value.split_once(';').unwrap_or((value, ""));
            let semicolon = if attributes.is_empty() { "" } else { ";" };
            format!("{}{semicolon}{attributes}", hide_cookie(cookie, found))
        }
        name if is_secret(name) && !value.is_empty() => {
            found(value, MIN_LENGTH);
            HIDDEN.into()
        }
        _ => hide_parameters(value, found),
    }
}

/// `name=value` with the spaces around it; without a name all of it is a value.
fn hide_cookie(cookie: &str, found: &mut Found<'_>) -> String {
    let (name, value) = match cookie.split_once('=') {
        Some((name, value)) => (name, value),
        None => ("", cookie),
    };
    let secret = value.trim();
    if secret.is_empty() {
        return cookie.into();
    }
    found(secret, if is_secret(name) { MIN_LENGTH } else { MIN_COOKIE });
    let before = cookie.len() - value.len();
    let blanks = value.len() - value.trim_start().len();
    format!("{}{HIDDEN}", cookie.get(..before + blanks).unwrap_or_default())
}

/// Hides the values of parameters such as `?api_key=…`, of a URL or a form, anywhere in the text.
fn hide_parameters(text: &str, found: &mut Found<'_>) -> String {
    const ENDS: &str = "?&;#,\"' \t\r\n<>\\";
    let mut shown = String::with_capacity(text.len());
    for chunk in text.split_inclusive(|c| ENDS.contains(c)) {
        let part = chunk.trim_end_matches(|c| ENDS.contains(c));
        match part.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret(&decoded(name)) => {
                found(value, MIN_LENGTH);
                shown.extend([name, "=", HIDDEN]);
            }
            _ => shown.push_str(part),
        }
        shown.push_str(chunk.get(part.len()..).unwrap_or_default());
    }
    shown
}

/// Hides the strings of JSON members such as `"token": "…"`, and the values after a header's name and a colon.
fn hide_members(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find(':') {
        let (before, after) = rest.split_at(colon + 1);
        shown.push_str(before);
        rest = after;
        let name = before.trim_end_matches(':').trim_end();
        let quoted = name.ends_with('"');
        let name = name.trim_end_matches('"');
        let begin = name.rfind(|c: char| !c.is_alphanumeric() && !"-_.".contains(c)).map_or(0, |at| at + 1);
        if !name.get(begin..).is_some_and(is_secret) {
            continue;
        }
        let value = rest.trim_start_matches([' ', '[']);
        let blanks = rest.len() - value.len();
        let end = match value.strip_prefix('"') {
            Some(inside) if quoted => end_of_string(inside) + 1,
            // Numbers and other values that are not strings stay readable.
            _ if quoted => 0,
            _ => value.find(['\r', '\n', ',', '"']).unwrap_or(value.len()),
        };
        if end > 0 {
            shown.push_str(rest.get(..blanks).unwrap_or_default());
            shown.push_str(if quoted { "\"<hidden>" } else { HIDDEN });
            rest = value.get(end..).unwrap_or_default();
        }
    }
    shown.push_str(rest);
    shown
}

/// The position of the quotation mark that ends a JSON string.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Returns true if a schema's type is a number.
fn declares_number(schema: &Value) -> bool {
    let is_number = |name: &Value| matches!(name.as_str(), Some("integer" | "number"));
    schema.get("type").is_some_and(|kind| match kind {
        Value::Array(kinds) => kinds.iter().any(is_number),
        kind => is_number(kind),
    })
}

/// Hides every string and number of a value.
fn hide_all(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hide_all),
        Value::Array(entries) => entries.iter_mut().for_each(hide_all),
        Value::String(_) | Value::Number(_) => *value = HIDDEN.into(),
        Value::Null | Value::Bool(_) => {}
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

/// A parameter's name or value without percent-encoding.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// The bytes with each occurrence of a secret replaced.
fn replaced(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(secret) {
            Some(behind) => {
                shown.extend_from_slice(HIDDEN.as_bytes());
                rest = behind;
            }
            None => {
                shown.push(*first);
                rest = after;
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header(name: &str, value: &str) -> String {
        Redactor::default().header(name.as_bytes(), value.as_bytes())
    }

    #[test]
    fn case_and_dashes_of_names_do_not_matter() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "SET-COOKIE",
            "x-api-key",
            "X_API_KEY",
            "apikey",
            "api.key",
            "my-api-key-2",
            "access_token",
            "X-Auth-Token",
            "refreshToken",
            "x-ca-signature",
            "client_secret",
            "password",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["", "accept", "x-user", "authorization_request", "x-ca-key", "key", "set", "author", ":path"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn headers_parameters_and_cookies_are_hidden_by_their_names() {
        for (name, value, shown) in [
            ("authorization", "Bearer abc", "<hidden>"),
            ("X-Api-Key", "abc", "<hidden>"),
            ("x-api-key", "", ""),
            ("accept", "text/html, */*", "text/html, */*"),
            ("cookie", "a=b; session=abc;c; d=", "a=<hidden>; session=<hidden>;<hidden>; d="),
            ("set-cookie", "sid=abc; Path=/; HttpOnly", "sid=<hidden>; Path=/; HttpOnly"),
            (":path", "/a?b=c&api-key=abc&d=token", "/a?b=c&api-key=<hidden>&d=token"),
            (":path", "/a?%61ccess_token=a%20b;x=y", "/a?%61ccess_token=<hidden>;x=y"),
            (
                "location",
                "https://x.example.com/#access_token=abc&state=1",
                "https://x.example.com/#access_token=<hidden>&state=1",
            ),
            ("link", "</a?token=abc>; rel=next", "</a?token=<hidden>>; rel=next"),
        ] {
            assert_eq!(header(name, value), shown, "{name}");
        }
        assert_eq!(Redactor::disabled().header(b"cookie", b"a=b"), "a=b");
    }

    #[test]
    fn known_values_are_hidden_everywhere() {
        let mut redactor = Redactor::default();
        redactor.learn(b"authorization", b"Bearer s3cr3t-\"x\"");
        redactor.learn(b":path", b"/?token=a%20b%20c");
        redactor.learn(b"cookie", b"theme=dark; id=0123456789; csrf-token=wxyz");
        let echo =
            r#"{"headers":[["authorization","Bearer s3cr3t-\"x\""],["x","0123456789"]],"theme":"dark"}"#;
        assert_eq!(
            redactor.text(echo),
            r#"{"headers":[["authorization","<hidden>"],["x","<hidden>"]],"theme":"dark"}"#
        );
        assert_eq!(redactor.text("warn: no user for a b c, wxyz"), "warn: no user for <hidden>, <hidden>");
        assert_eq!(redactor.text("cut off: 012345"), "cut off: <hidden>");
        assert_eq!(redactor.header(b"x-copy", b"s3cr3t-\"x\""), "<hidden>");
        assert_eq!(&*redactor.bytes(b"\xff0123456789\xff"), b"\xff<hidden>\xff");
        assert_eq!(Redactor::disabled().text("token=a"), "token=a");
    }

    #[test]
    fn bodies_and_lines_are_hidden_by_names_too() {
        let redactor = Redactor::default();
        for (text, shown) in [
            ("user=a&password=b c", "user=a&password=<hidden> c"),
            (
                r#"{"user":"a","api_key" : "b\"c", "tokens": 3}"#,
                r#"{"user":"a","api_key" : "<hidden>", "tokens": 3}"#,
            ),
            (r#"{"token":["a"]}"#, r#"{"token":["<hidden>"]}"#),
            ("debug: Authorization: Bearer abc", "debug: Authorization: <hidden>"),
            ("answers 403 (ext-auth.denied): GET /a", "answers 403 (ext-auth.denied): GET /a"),
            (r#"{"token":"cut o"#, r#"{"token":"<hidden>"#),
        ] {
            assert_eq!(redactor.text(text), shown);
        }
    }

    #[test]
    fn fields_of_configurations_are_hidden_by_name_and_by_schema() {
        let schema = json!({ "properties": {
            "add": { "additionalProperties": { "type": "string", "writeOnly": true } },
            "list": { "items": { "properties": { "key": { "format": "password" } } } },
            "token_per_day": { "type": ["integer", "null"] },
            "token": { "type": "string" },
        } });
        let mut fields = json!({
            "add": { "x-a": "b", "x-on": true },
            "list": [{ "key": 5, "other": 5 }],
            "credentials": [{ "user": "a" }],
            "keep_token": true,
            "token_per_day": 5,
            "token": 5,
            "url": "http://x/?token=abc",
            "text": "as it is",
        });
        let Value::Object(map) = &mut fields else { panic!() };
        Redactor::default().configuration(map, Some(&schema));
        let expected = json!({
            "add": { "x-a": "<hidden>", "x-on": true },
            "list": [{ "key": "<hidden>", "other": 5 }],
            "credentials": [{ "user": "<hidden>" }],
            "keep_token": true,
            "token_per_day": 5,
            "token": "<hidden>",
            "url": "http://x/?token=<hidden>",
            "text": "as it is",
        });
        assert_eq!(fields, expected);
    }
}
