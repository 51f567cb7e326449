//! Holds a resource against the schema of its API: structural OpenAPI v3, as in custom resource definitions.
//!
//! The schemas are this project's own, written from the published APIs. They use few keywords, and a validator of all
//! of JSON Schema would be the heaviest thing that a newcomer compiles; a test refuses a keyword that is not known here.

use serde_json::{Map, Value};

/// What is wrong with a value: where it stands, and why.
pub type Fault = (String, String);

/// The first thing that the schema does not allow.
///
/// # Errors
///
/// Its place, from `path` on, and what the schema wants there.
pub fn check(schema: &Value, value: &Value, path: &str) -> Result<(), Fault> {
    let fault = |message: String| Err((path.to_owned(), message));
    if let Some(wanted) = schema.get("type").and_then(Value::as_str)
        && !is_a(value, wanted)
    {
        return fault(format!("is {value}, and must be of type {wanted}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        return fault(format!("is {value}, and must be one of {}", Value::Array(allowed.clone())));
    }
    let size = match value {
        Value::String(text) => Some((text.chars().count() as u64, "minLength", "maxLength")),
        Value::Array(items) => Some((items.len() as u64, "minItems", "maxItems")),
        _ => None,
    };
    if let Some((size, least, most)) = size {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        if bound(least).is_some_and(|least| size < least) || bound(most).is_some_and(|most| size > most) {
            return fault(format!("has a size of {size}, outside of {least} and {most}"));
        }
    }
    if let Some(number) = value.as_i64() {
        let bound = |key| schema.get(key).and_then(Value::as_i64);
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            return fault(format!("is {number}, outside of minimum and maximum"));
        }
    }
    match value {
        Value::Object(fields) => object(schema, fields, path),
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return Ok(()) };
            items.iter().enumerate().try_for_each(|(at, item)| check(schema, item, &format!("{path}[{at}]")))
        }
        _ => Ok(()),
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str) -> Result<(), Fault> {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err((path.to_owned(), format!("has no `{name}`")));
        }
    }
    let free = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    for (name, value) in fields {
        let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let known = schema.get("properties").and_then(|properties| properties.get(name));
        match known.or_else(|| schema.get("additionalProperties")) {
            Some(schema) => check(schema, value, &place)?,
            None if free => {}
            None => return Err((place, "is no field of this API".into())),
        }
    }
    Ok(())
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    }
}
