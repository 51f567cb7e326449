//! The schemas have only the keywords that the check knows, and it refuses what they do not allow.

use serde_json::{Value, json};

use super::schema::*;
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
        keywords(&plane.schema(), &mut found);
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
