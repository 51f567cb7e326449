//! The schema of a plug-in's fields, in OpenAPI v3 for consoles.
//!
//! It is generated from the Rust types of the configuration: descriptions are doc comments, defaults are serde's, and ranges
//! are those of the checked types. Consoles support only simple schemas, so there are no references, and alternatives are
//! one `enum`.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The key of descriptions in other languages, by BCP 47 tag.
pub const TRANSLATIONS: &str = "x-description-i18n";

/// Returns the schema of the fields `T`.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    schema
}

/// Simplifies a schema and its subschemas for consoles.
fn simplify(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    for key in ["items", "additionalProperties"] {
        schema.get_mut(key).into_iter().for_each(simplify);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(simplify);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(Value::Array(schemas)) = schema.get_mut(key) {
            schemas.iter_mut().for_each(simplify);
        }
    }
    // OpenAPI v3 has no patterns for keys.
    if let Some(Value::Object(patterns)) = schema.remove("patternProperties") {
        let values = patterns.into_iter().next().map(|(_, values)| values);
        schema.insert("additionalProperties".into(), values.unwrap_or(true.into()));
    }
    // The name of a Rust type and the width of its numbers mean nothing to operators.
    schema.remove("title");
    let is_rusts = |format: &Value| format.as_str().is_some_and(|format| format.starts_with("uint"));
    if schema.get("format").is_some_and(is_rusts) {
        schema.remove("format");
    }
    // The fields of an object have their own defaults.
    if schema.get("default").is_some_and(Value::is_null) || schema.contains_key("properties") {
        schema.remove("default");
    }
    unwrap_option(schema);
    if let Some(Value::Array(words)) = schema.get_mut("enum").filter(|words| **words != json!([null])) {
        // `nullable` has the same meaning.
        words.retain(|word| !word.is_null());
    }
    join_words(schema);
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = unwrapped(text);
    }
}

/// Replaces `anyOf` a type and null, for an `Option<T>` of a complex type.
fn unwrap_option(schema: &mut Map<String, Value>) {
    let some = match schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::Object(some), none]) if none["enum"] == json!([null]) => some.clone(),
        _ => return,
    };
    schema.remove("anyOf");
    for (key, value) in some {
        schema.entry(key).or_insert(value);
    }
    schema.insert("nullable".into(), true.into());
}

/// Replaces `oneOf`, for an enum with a description of each value. The descriptions become a part of that of the enum.
fn join_words(schema: &mut Map<String, Value>) {
    let words = match schema.get("oneOf").and_then(Value::as_array) {
        Some(schemas) if schemas.iter().all(|word| word["type"] == "string" && word["enum"].is_array()) => {
            schemas.clone()
        }
        _ => return,
    };
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    let names = || words.iter().filter_map(|word| word["enum"].as_array()).flatten();
    schema.insert("enum".into(), names().cloned().collect());
    let glossary = |colon: &str, semicolon: &str, text: &dyn Fn(&Value) -> Option<String>| {
        let entries = words.iter().filter_map(|word| {
            let name = word["enum"].get(0)?.as_str()?;
            Some(format!("`{name}`{colon}{}", text(word)?))
        });
        entries.collect::<Vec<_>>().join(semicolon)
    };
    let english = glossary(": ", "; ", &|word| Some(sentence(word["description"].as_str()?)));
    if !english.is_empty() {
        let whole = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = format!("{} {english}.", unwrapped(whole)).trim_start().to_owned();
        schema.insert("description".into(), description.into());
    }
    let Some(Value::Object(translations)) = schema.get_mut(TRANSLATIONS) else { return };
    for (language, whole) in translations {
        let text = glossary("：", "；", &|word| {
            Some(sentence(word.get(TRANSLATIONS)?.get(language.as_str())?.as_str()?))
        });
        if !text.is_empty() {
            *whole = format!("{}{text}。", whole.as_str().unwrap_or_default()).into();
        }
    }
}

/// Removes the full stop at the end of a text.
fn sentence(text: &str) -> String {
    unwrapped(text).trim_end_matches(['.', '。']).to_owned()
}

/// Joins the lines of each paragraph.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n");
    let lines = |paragraph: &str| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    paragraphs.map(lines).collect::<Vec<_>>().join("\n\n")
}
