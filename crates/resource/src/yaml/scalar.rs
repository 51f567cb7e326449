//! What a word without quotes is: text, number, true or false, or nothing.
//!
//! The rules are those of the library behind `kubectl` and the control planes (`sigs.k8s.io/yaml`), which are
//! YAML 1.1's but for times and base 60: a gateway gets what they make of a word, whatever YAML 1.2 says.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

const NOTHING: [&str; 5] = ["", "~", "null", "Null", "NULL"];
const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
const NOT_FINITE: [&str; 12] =
    [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"];

/// The value of a scalar, or what is wrong with it.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text) } else { Ok(Value::String(text.into())) };
    };
    let value = match tag.suffix.as_str() {
        "str" if tag.is_yaml_core_schema() => return Ok(Value::String(text.into())),
        "int" | "float" | "bool" | "null" if tag.is_yaml_core_schema() => plain(text)?,
        _ => return Err(foreign_tag(tag)),
    };
    let fits = match tag.suffix.as_str() {
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "bool" => value.is_boolean(),
        _ => value.is_null(),
    };
    if fits { Ok(value) } else { Err(format!("is not what its tag `!!{}` says: remove the tag", tag.suffix)) }
}

/// What is said of a tag that no cluster knows.
pub(super) fn foreign_tag(tag: &Tag) -> String {
    let handle = if tag.is_yaml_core_schema() { "!!" } else { tag.handle.as_str() };
    format!("has a tag, `{handle}{}`, that a cluster does not take: remove it", tag.suffix)
}

fn plain(text: &str) -> Result<Value, String> {
    if NOTHING.contains(&text) {
        return Ok(Value::Null);
    }
    if TRUE.contains(&text) || FALSE.contains(&text) {
        return Ok(Value::Bool(TRUE.contains(&text)));
    }
    if NOT_FINITE.contains(&text) {
        return Err("is a number that JSON does not have: put it in quotes if it is a text".into());
    }
    let number = match text.bytes().next() {
        Some(b'.') => decimal(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            whole(&digits).or_else(|| decimal(&digits))
        }
        _ => None,
    };
    Ok(number.map_or_else(|| Value::String(text.into()), Value::Number))
}

/// A whole number: decimal, `0x`, `0o`, `0b`, or octal after a plain `0`.
fn whole(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.split_at_checked(2) {
        Some(("0x", digits)) => (16, digits),
        Some(("0o", digits)) => (8, digits),
        Some(("0b", digits)) => (2, digits),
        _ => match lower.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (8, digits),
            _ => (10, lower.as_str()),
        },
    };
    // `from_str_radix` takes a sign, which may not stand here.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = u64::from_str_radix(digits, base).ok()?;
    if negative { 0_i64.checked_sub_unsigned(number).map(Number::from) } else { Some(Number::from(number)) }
}

/// A decimal number. One without a fraction is written without one in the JSON that a cluster makes of it,
/// and so becomes a whole number.
fn decimal(text: &str) -> Option<Number> {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let number: f64 = text.chars().all(allowed).then(|| text.parse().ok()).flatten()?;
    // The text of a float is exact, and `{}` never writes an exponent.
    let written = number.to_string();
    written.parse::<i64>().map(Number::from).ok().or_else(|| Number::from_f64(number))
}
