//! A plug-in's schema (OpenAPI v3): completed for consoles, and its fields one by one.

mod table;

use resource::Manifest;
use serde_json::{Map, Value};

pub use table::{Language, table};

/// Where a schema has its description in other languages, by BCP 47 tag.
const TRANSLATIONS: &str = "x-description-i18n";

/// The schema as a console shows it, with the plug-in's example as a direct child.
#[must_use]
pub fn for_consoles(mut schema: Value, manifest: &Manifest) -> Value {
    if let Value::Object(schema) = &mut schema {
        // The plug-in's own description stands beside; that of the Rust type is its author's.
        schema.remove("description");
        schema.remove(TRANSLATIONS);
        schema.insert("example".into(), Value::Object(manifest.example.clone()));
    }
    unlink(&mut schema);
    without_hints(&mut schema);
    schema
}

/// Leaves out what is for this project's own tools.
fn without_hints(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(without_hints),
        Value::Object(values) => {
            values.shift_remove(config::hints::NOT_HERE);
            values.values_mut().for_each(without_hints);
        }
        _ => {}
    }
}

/// Leaves the text of links into the README, which a console does not show: `see [Bodies](#bodies)`.
fn unlink(schema: &mut Value) {
    match schema {
        Value::String(text) => {
            while let Some((before, target)) = text.split_once("](#") {
                let Some((_, after)) = target.split_once(')') else { break };
                let before = before.rsplit_once('[').map_or(before.to_owned(), |(a, b)| format!("{a}{b}"));
                *text = format!("{before}{after}");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(unlink),
        Value::Object(values) => values.values_mut().for_each(unlink),
        _ => {}
    }
}

/// A field of a configuration, or one inside of it.
#[derive(Debug, Clone)]
pub struct Field<'s> {
    /// `rule_items[].limit_keys[].key`.
    pub path: String,
    /// Its schema.
    pub schema: &'s Map<String, Value>,
    /// Whether a configuration must have it.
    pub required: bool,
}

/// Every field of a schema; the fields of an object, or of a list of objects, follow it.
#[must_use]
pub fn fields(schema: &Value) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    collect(schema, "", &mut fields);
    fields
}

fn collect<'s>(schema: &'s Value, prefix: &str, fields: &mut Vec<Field<'s>>) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let Value::Object(own) = schema else { continue };
        let path = format!("{prefix}{name}");
        fields.push(Field { path: path.clone(), schema: own, required: is_required(name) });
        collect(schema, &format!("{path}."), fields);
        if let Some(items) = own.get("items") {
            collect(items, &format!("{path}[]."), fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn links_into_the_readme_become_text() {
        let mut schema = json!({ "a": ["see [Bodies](#bodies), [RE2](https://x) and [b](#b)"] });
        unlink(&mut schema);
        assert_eq!(schema, json!({ "a": ["see Bodies, [RE2](https://x) and b"] }));
    }
}
