//! What is secret in requests, answers and configurations, and what is shown in its place.
//!
//! A trace or an explanation is pasted into reports. So the values of credentials are replaced wherever they turn up:
//! in headers, parameters and cookies by the names of these, and in everything else (bodies, lines of a log) by the
//! values that were seen under such names.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// What is shown in place of a secret.
pub const HIDDEN: &str = "<hidden>";

/// Names that are secret as a whole, and parts of names that make one secret. Case, `-`, `_` and `.` do not matter.
const NAMES: [&str; 5] = ["authorization", "proxyauthorization", "cookie", "setcookie", "xcasignature"];
const PARTS: [&str; 6] = ["apikey", "token", "secret", "password", "passwd", "credential"];

/// How long a value must be to be looked for in other texts: shorter ones are parts of ordinary words.
const MIN_LENGTH: usize = 4;
/// The same for cookies whose names say nothing.
const MIN_COOKIE: usize = 8;

/// Whether the value of a header, a parameter, a cookie or a field of a configuration of this name is secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    NAMES.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// Hides secrets, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Hider {
    shows: bool,
    /// Values that were seen under secret names, the longest first.
    values: Vec<String>,
}

impl Hider {
    /// One that hides nothing.
    #[must_use]
    pub fn shows_all() -> Self {
        Self { shows: true, values: Vec::new() }
    }

    /// Whether it hides nothing.
    #[must_use]
    pub fn shows(&self) -> bool {
        self.shows
    }

    /// Learns what is secret in a header, so that it is hidden elsewhere too.
    pub fn learn(&mut self, name: &[u8], value: &[u8]) {
        let mut values = Vec::new();
        hide_header(&lossy(name), &lossy(value), &mut |secret, shortest| {
            values.push((secret.to_owned(), shortest));
            // The credentials behind a scheme, and what a form has encoded.
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

    /// The value of a header, as it is shown.
    #[must_use]
    pub fn header(&self, name: &[u8], value: &[u8]) -> String {
        let (name, value) = (lossy(name), lossy(value));
        if self.shows {
            return value.into_owned();
        }
        self.values_hidden(hide_header(&name, &value, &mut |_, _| {}))
    }

    /// Any other text, as it is shown.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if self.shows {
            return text.to_owned();
        }
        let hidden = hide_members(&hide_parameters(text, &mut |_, _| {}));
        self.values_hidden(hidden)
    }

    /// Bytes, as they are shown.
    #[must_use]
    pub fn bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match std::str::from_utf8(bytes) {
            _ if self.shows => bytes.into(),
            Ok(text) => self.text(text).into_bytes().into(),
            // Only what was seen can be told from the rest.
            Err(_) => {
                let replace = |bytes: Vec<u8>, value: &String| replaced(&bytes, value.as_bytes());
                self.values.iter().fold(bytes.to_vec(), replace).into()
            }
        }
    }

    /// A configuration with its secrets hidden: fields with secret names, and those that the schema marks.
    pub fn configuration(&self, fields: &mut Map<String, Value>, schema: Option<&Value>) {
        if self.shows {
            return;
        }
        for (name, value) in fields {
            let schema = schema.and_then(|schema| {
                let own = schema.get("properties").and_then(|properties| properties.get(name));
                own.or_else(|| schema.get("additionalProperties"))
            });
            if is_secret(name) {
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
            // A body that was read in part may end within one.
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

/// Told of each secret, and how long it must be to be looked for elsewhere.
type Told<'t> = dyn FnMut(&str, usize) + 't;

fn hide_header(name: &str, value: &str, told: &mut Told<'_>) -> String {
    match name.to_ascii_lowercase().as_str() {
        "cookie" => joined(value.split(';').map(|cookie| hide_cookie(cookie, told)), ";"),
        "set-cookie" => {
            let (cookie, attributes) = value.split_once(';').unwrap_or((value, ""));
            let semicolon = if attributes.is_empty() { "" } else { ";" };
            format!("{}{semicolon}{attributes}", hide_cookie(cookie, told))
        }
        name if is_secret(name) && !value.is_empty() => {
            told(value, MIN_LENGTH);
            HIDDEN.into()
        }
        _ => hide_parameters(value, told),
    }
}

/// `name=value`, with the blanks around it; all of it is a value where there is no name.
fn hide_cookie(cookie: &str, told: &mut Told<'_>) -> String {
    let (name, value) = match cookie.split_once('=') {
        Some((name, value)) => (name, value),
        None => ("", cookie),
    };
    let secret = value.trim();
    if secret.is_empty() {
        return cookie.into();
    }
    told(secret, if is_secret(name) { MIN_LENGTH } else { MIN_COOKIE });
    let before = cookie.len() - value.len();
    let blanks = value.len() - value.trim_start().len();
    format!("{}{HIDDEN}", cookie.get(..before + blanks).unwrap_or_default())
}

/// Hides the values of parameters such as `?api_key=…`, in a URL or a form, wherever they stand in the text.
fn hide_parameters(text: &str, told: &mut Told<'_>) -> String {
    const ENDS: &str = "?&;#,\"' \t\r\n<>\\";
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c| ENDS.contains(c)) {
        let part = piece.trim_end_matches(|c| ENDS.contains(c));
        match part.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret(&decoded(name)) => {
                told(value, MIN_LENGTH);
                shown.extend([name, "=", HIDDEN]);
            }
            _ => shown.push_str(part),
        }
        shown.push_str(piece.get(part.len()..).unwrap_or_default());
    }
    shown
}

/// Hides the texts of members such as `"token": "…"` of JSON, and values behind a header's name and a colon.
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
            // Numbers, and what is no text, stay readable.
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

/// Where the quotation mark stands that ends a string of JSON.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Hides every text and number of a value.
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

/// A parameter's name or value without percent encoding.
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
        Hider::default().header(name.as_bytes(), value.as_bytes())
    }

    #[test]
    fn names_of_secrets_have_no_case_and_no_dashes() {
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
        assert_eq!(Hider::shows_all().header(b"cookie", b"a=b"), "a=b");
    }

    #[test]
    fn what_was_seen_is_hidden_wherever_it_turns_up() {
        let mut hider = Hider::default();
        hider.learn(b"authorization", b"Bearer s3cr3t-\"x\"");
        hider.learn(b":path", b"/?token=a%20b%20c");
        hider.learn(b"cookie", b"theme=dark; id=0123456789; csrf-token=wxyz");
        let echo =
            r#"{"headers":[["authorization","Bearer s3cr3t-\"x\""],["x","0123456789"]],"theme":"dark"}"#;
        assert_eq!(
            hider.text(echo),
            r#"{"headers":[["authorization","<hidden>"],["x","<hidden>"]],"theme":"dark"}"#
        );
        assert_eq!(hider.text("warn: no user for a b c, wxyz"), "warn: no user for <hidden>, <hidden>");
        assert_eq!(hider.text("cut off: 012345"), "cut off: <hidden>");
        assert_eq!(hider.header(b"x-copy", b"s3cr3t-\"x\""), "<hidden>");
        assert_eq!(&*hider.bytes(b"\xff0123456789\xff"), b"\xff<hidden>\xff");
        assert_eq!(Hider::shows_all().text("token=a"), "token=a");
    }

    #[test]
    fn bodies_and_lines_are_hidden_by_names_too() {
        let hider = Hider::default();
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
            assert_eq!(hider.text(text), shown);
        }
    }

    #[test]
    fn fields_of_configurations_are_hidden_by_name_and_by_schema() {
        let schema = json!({ "properties": {
            "add": { "additionalProperties": { "type": "string", "writeOnly": true } },
            "list": { "items": { "properties": { "key": { "format": "password" } } } },
        } });
        let mut fields = json!({
            "add": { "x-a": "b", "x-on": true },
            "list": [{ "key": 5, "other": 5 }],
            "credentials": [{ "user": "a" }],
            "keep_token": true,
            "url": "http://x/?token=abc",
            "text": "as it is",
        });
        let Value::Object(map) = &mut fields else { panic!() };
        Hider::default().configuration(map, Some(&schema));
        let expected = json!({
            "add": { "x-a": "<hidden>", "x-on": true },
            "list": [{ "key": "<hidden>", "other": 5 }],
            "credentials": [{ "user": "<hidden>" }],
            "keep_token": true,
            "url": "http://x/?token=<hidden>",
            "text": "as it is",
        });
        assert_eq!(fields, expected);
    }
}
