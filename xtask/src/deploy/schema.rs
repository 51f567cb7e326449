//! Holds a resource against the schema of its API: structural OpenAPI v3, as in custom resource definitions.
//!
//! The schemas are this project's own, written from the published APIs. They use few keywords, and a validator of all
//! of JSON Schema would be the heaviest thing that a newcomer compiles; a test refuses a keyword that is not known here.

use serde_json::{Map, Value};

/// What is wrong with a value: where it stands, and why.
pub(crate) type Fault = (String, String);

/// The first thing that the schema does not allow.
///
/// # Errors
///
/// Its place, from `path` on, and what the schema wants there.
pub(crate) fn check(schema: &Value, value: &Value, path: &str) -> Result<(), Fault> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deploy::ControlPlane;

    /// Every keyword that stands in a schema, names of fields left out.
    fn keywords(schema: &Value, found: &mut Vec<String>) {
        for (key, value) in schema.as_object().into_iter().flatten() {
            found.push(key.clone());
            match key.as_str() {
                "properties" => value.as_object().unwrap().values().for_each(|inner| keywords(inner, found)),
                "items" | "additionalProperties" => keywords(value, found),
                _ => {}
            }
        }
    }

    #[test]
    fn schemas_have_no_keyword_that_would_not_be_looked_at() {
        let known = [
            "type",
            "enum",
            "required",
            "properties",
            "additionalProperties",
            "items",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "x-kubernetes-preserve-unknown-fields",
        ];
        for plane in ControlPlane::ALL {
            let mut found = Vec::new();
            keywords(&plane.schema().unwrap(), &mut found);
            assert!(found.len() > 40, "{plane:?} has {} keywords", found.len());
            for keyword in found {
                assert!(known.contains(&keyword.as_str()), "{plane:?}: {keyword}");
            }
        }
    }

    #[test]
    fn what_a_schema_does_not_allow_is_found_where_it_stands() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 3 },
                "kind": { "type": "string", "enum": ["a", "b"] },
                "number": { "type": "integer", "minimum": -1, "maximum": 1 },
                "list": { "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "boolean" } },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                "words": { "type": "object", "additionalProperties": { "type": "string" } },
            },
        });
        let good = json!({
            "name": "abc", "kind": "b", "number": -1, "list": [true], "free": { "x": [1] }, "words": { "a": "b" },
        });
        assert_eq!(check(&schema, &good, ""), Ok(()));
        for (field, value, place) in [
            ("name", json!(1), "name"),
            ("name", json!(""), "name"),
            ("name", json!("abcd"), "name"),
            ("kind", json!("c"), "kind"),
            ("number", json!(1.5), "number"),
            ("number", json!(2), "number"),
            ("number", json!(-2), "number"),
            ("list", json!([]), "list"),
            ("list", json!([true, true, true]), "list"),
            ("list", json!([true, "x"]), "list[1]"),
            ("list", json!({}), "list"),
            ("free", json!([]), "free"),
            ("words", json!({ "a": 1 }), "words.a"),
            ("nmae", json!("x"), "nmae"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert_eq!(check(&schema, &bad, "").unwrap_err().0, place, "{bad}");
        }
        assert_eq!(check(&schema, &json!({}), "").unwrap_err(), (String::new(), "has no `name`".into()));
        assert!(check(&schema, &json!([]), "").is_err());
    }
}
