//! Writes YAML that means the same to everybody.
//!
//! `kubectl` and the control planes read YAML 1.1, in which `on` is true and `1_000` is a number; the library that writes
//! YAML elsewhere leaves such texts bare. Here a text is bare only if the reader that follows `kubectl`'s rules takes it
//! for itself, and in double quotes, as JSON has them, otherwise.

use serde_json::{Map, Value};

/// The value as a document in block style, its fields in their order.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
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
                    // A list in a list in flow style.
                    other => line(&flow(other), text),
                }
            }
        }
        other => line(&flow(other), text),
    }
}

/// The fields, the first of which may stand in a line that has begun.
fn mapping(fields: &Map<String, Value>, depth: usize, indented: bool, text: &mut String) {
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 || indented {
            indent(depth, text);
        }
        text.push_str(&scalar(name));
        text.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                mapping(inner, depth + 1, true, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                block(value, depth, text);
            }
            other => {
                text.push(' ');
                line(&flow(other), text);
            }
        }
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => inner(other),
    }
}

/// Within a list in a list, where all texts are in quotes: commas and brackets mean something there.
fn inner(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", join(items.iter().map(inner).collect())),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{}: {}", quoted(name), inner(value));
            format!("{{{}}}", join(fields.iter().map(field).collect()))
        }
        other => other.to_string(),
    }
}

fn line(words: &str, text: &mut String) {
    text.push_str(words);
    text.push('\n');
}

fn indent(depth: usize, text: &mut String) {
    (0..depth).for_each(|_| text.push_str("  "));
}

/// A text, in quotes where it would be something else without.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./@: ".contains(c);
    let is_bare = text.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '/')
        && text.chars().all(plain)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && config::yaml::read(text).is_ok_and(|documents| {
            documents.first().is_some_and(|document| document.to_json() == Value::String(text.into()))
        });
    if is_bare { text.to_owned() } else { quoted(text) }
}

/// A text in quotes. JSON leaves characters as they are that YAML 1.1 takes for ends of lines, or not at all.
fn quoted(text: &str) -> String {
    let json = Value::String(text.into()).to_string();
    let escaped = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    json.chars().fold(String::new(), |mut text, c| {
        match escaped(c) {
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        for text in [
            "on",
            "off",
            "y",
            "N",
            "Yes",
            "no",
            "true",
            "False",
            "null",
            "~",
            "",
            " ",
            "1",
            "1.0",
            "01",
            "1_000",
            "0x1f",
            "0b1",
            "0o7",
            "1e3",
            "+1",
            "-1",
            ".5",
            ".inf",
            ".nan",
            "1:30",
            "12:30:45",
            "2024-01-01",
            "2024-01-01T00:00:00Z",
            "<<",
            "=",
            "- a",
            "-",
            "?",
            "? a",
            ": a",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "a ",
            " a",
            "a\nb",
            "a\tb",
            "'a'",
            "\"a\"",
            "\\",
            "%a",
            "@a",
            "`a",
            "*",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "[a]",
            "{a}",
            "a,b",
            "中文",
            "é",
            "😀",
            "\u{85}",
            "\u{2028}",
            "\u{feff}a",
            "\u{7f}",
            "\u{1}",
            "---",
            "...",
            "/admin",
            "registry.example.com/a@sha256:0",
            "swagger.html",
            "hello world",
        ] {
            // Nobody's field: the reader takes it for a merge in quotes too.
            let key = if text == "<<" { "merge" } else { text };
            let value = json!({ key: text, "list": [text, [text, { key: text }], { "in": text, "deep": { "er": [text] } }] });
            let yaml = write(&value);
            let read = config::yaml::read(&yaml).unwrap_or_else(|error| panic!("{text:?}: {error}\n{yaml}"));
            assert_eq!(read[0].to_json(), value, "{text:?}\n{yaml}");
            let other: Value = serde_yaml::from_str(&yaml).unwrap();
            assert_eq!(other, value, "{text:?}\n{yaml}");
        }
    }

    #[test]
    fn it_looks_as_people_write_it() {
        let value = json!({
            "b": 1, "a": { "on": "on", "list": [{ "x": 1.5, "y": null }, "z", [], {}, [1, "a"]] }, "version": "1.0",
            "none": {},
        });
        let text = "b: 1\na:\n  \"on\": \"on\"\n  list:\n  - x: 1.5\n    \"y\": null\n  - z\n  - []\n  - {}\n  - [1, \"a\"]\n\
                    version: \"1.0\"\nnone: {}\n";
        assert_eq!(write(&value), text);
        assert_eq!(config::yaml::read(text).unwrap()[0].to_json(), value);
    }
}
