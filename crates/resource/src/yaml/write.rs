//! Writes YAML that means the same to every reader.
//!
//! `kubectl` and the control planes read YAML 1.1, in which `on` is true and `1_000` is a number; others read YAML 1.2, in
//! which `0o17` is one. Here a text is bare only if it is a word or a path to all of them, and in double quotes, as JSON
//! has them, otherwise. What is written is read back before it is returned.

use serde_json::{Map, Number, Value};

use super::{Position, YamlError, read};

/// Words that some reader takes for true, false or nothing, whatever their case.
const WORDS: [&str; 9] = ["y", "yes", "n", "no", "on", "off", "true", "false", "null"];

/// The longest key in bytes that can stand before its colon; YAML's limit is 1024 characters with their quotes.
const MAX_KEY: usize = 1000;

/// The value as a document in block style, its fields in their order.
///
/// # Errors
///
/// The value is nested too deep or too large to be read back.
pub fn write(value: &Value) -> Result<String, YamlError> {
    let value = canonical(value);
    let mut text = String::new();
    block(&value, 0, &mut text);
    read_back(text, &value)
}

/// The value in one line, as it can stand behind a key, in brackets or in braces.
///
/// # Errors
///
/// As [`write()`].
pub fn write_inline(value: &Value) -> Result<String, YamlError> {
    let value = canonical(value);
    read_back(inline(&value), &value)
}

/// The value with each number as a cluster's JSON has it: `403.0` is 403 there.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number).unwrap_or_else(|| number.clone())),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| (name.clone(), canonical(value))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

/// The whole number that a float is.
fn whole(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    float.to_string().parse::<i64>().ok().map(Number::from)
}

/// The text, if it reads as the value.
fn read_back(text: String, value: &Value) -> Result<String, YamlError> {
    match read(&text)?.as_slice() {
        [document] if document.to_json() == *value => Ok(text),
        _ => Err(YamlError {
            position: Position { line: 1, column: 1 },
            message: "does not read as the value that was to be written: write JSON; this is a bug".into(),
        }),
    }
}

fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(fields, depth, true, text),
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(depth, text);
                text.push_str("- ");
                match item {
                    Value::Object(fields) if !fields.is_empty() => mapping(fields, depth + 1, false, text),
                    // A list in a list is in one line.
                    other => line(&in_line(other), text),
                }
            }
        }
        other => line(&in_line(other), text),
    }
}

/// The fields, the first of which may stand in a line that has begun.
fn mapping(fields: &Map<String, Value>, depth: usize, indented: bool, text: &mut String) {
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 || indented {
            indent(depth, text);
        }
        if name.len() > MAX_KEY {
            text.push_str("? ");
            line(&scalar(name), text);
            indent(depth, text);
        } else {
            text.push_str(&scalar(name));
        }
        text.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                mapping(inner, depth + 1, true, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                // Behind `? key`, a list that is not indented would be another value.
                block(value, depth + usize::from(name.len() > MAX_KEY), text);
            }
            other => {
                text.push(' ');
                line(&in_line(other), text);
            }
        }
    }
}

/// What stands in the rest of a line.
fn in_line(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => inline(other),
    }
}

/// In brackets and braces, where all texts are in quotes: commas and brackets mean something there.
fn inline(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) => quoted(text),
        Value::Number(number) => numeral(number),
        Value::Array(items) => format!("[{}]", join(items.iter().map(inline).collect())),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let (mark, space) = if name.len() > MAX_KEY { ("? ", " ") } else { ("", "") };
                format!("{mark}{}{space}: {}", quoted(name), inline(value))
            };
            format!("{{{}}}", join(fields.iter().map(field).collect()))
        }
        other => other.to_string(),
    }
}

/// A number; to YAML 1.1 one with an exponent has a fraction and a sign too.
fn numeral(number: &Number) -> String {
    let text = number.to_string();
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let fraction = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}{fraction}e{sign}{exponent}")
}

fn line(words: &str, text: &mut String) {
    text.push_str(words);
    text.push('\n');
}

fn indent(depth: usize, text: &mut String) {
    (0..depth).for_each(|_| text.push_str("  "));
}

/// A text, in quotes where some reader would take it for something else without.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./@: ".contains(c);
    let is_bare = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/')
        && text.chars().all(plain)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_bare { text.to_owned() } else { quoted(text) }
}

/// A text in quotes. JSON leaves characters as they are that YAML 1.1 takes for ends of lines, or not at all.
fn quoted(text: &str) -> String {
    let json = Value::String(text.into()).to_string();
    let escaped = |c: char| {
        matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    json.chars().fold(String::new(), |mut text, c| {
        match escaped(c) {
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
        text
    })
}
