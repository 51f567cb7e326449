//! The decisions about headers and bodies.

use std::borrow::Cow;

use json_schema::{Invalid, Json, Schema};

/// Steps of a validation that do not depend on the size of the message.
const STEPS: usize = 100_000;

/// Steps for each byte. A value takes two bytes, and a few steps.
const STEPS_PER_BYTE: usize = 8;

/// What is wrong with a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not JSON.
    NotJson,
    /// It violates the schema.
    Invalid(Invalid),
}

/// Validates headers.
pub fn check_headers<'h>(
    schema: &Schema,
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), Problem> {
    let mut bytes = 0;
    let mut values: Vec<(Cow<'h, str>, Cow<'h, str>)> = Vec::new();
    for (name, value) in headers {
        bytes += name.len() + value.len();
        values.push((String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    }
    // Stable, so the values of one header stay in order.
    values.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut joined: Vec<(Cow<'h, str>, Cow<'h, str>)> = Vec::new();
    for (name, value) in values {
        match joined.last_mut() {
            // All values count: an upstream may read any of them.
            Some((last, values)) if *last == name => {
                let values = values.to_mut();
                values.push_str(", ");
                values.push_str(&value);
            }
            _ => joined.push((name, value)),
        }
    }
    schema.validate(&Json::strings(joined), steps(bytes)).map_err(Problem::Invalid)
}

/// Validates a body.
pub fn check_body(schema: &Schema, body: &[u8]) -> Result<(), Problem> {
    let document = Json::parse(body).map_err(|_| Problem::NotJson)?;
    schema.validate(&document, steps(body.len())).map_err(Problem::Invalid)
}

fn steps(bytes: usize) -> usize {
    STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(bytes))
}

/// Returns true for the content types of forms. A body can be JSON and a form at once, as `{"name":"a&role=admin&x="}` is, and an
/// upstream reads the one that the content type names.
pub fn is_form(content_type: &[u8]) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    let contains = |part: &[u8]| content_type.windows(part.len()).any(|window| window == part);
    contains(b"x-www-form-urlencoded") || contains(b"multipart/")
}

/// Returns true for methods whose requests have a body, unless they are malformed.
pub fn needs_body(method: &[u8]) -> bool {
    matches!(method, b"POST" | b"PUT" | b"PATCH")
}
