//! Validation of a configuration by the schema in its image, for plug-ins whose source is not here.
//!
//! The schema describes the fields. A document has them at the top and in each of its `_rules_`, where the conditions stand
//! beside them.

use boon::{Compiler, Draft, ErrorKind, InstanceToken, Schemas, Type, ValidationError};
use config::{ConfigError, hints};
use serde_json::{Map, Value, json};

/// Everything in a document that the schema of the plug-in's fields (OpenAPI v3) does not allow. A schema that is not valid
/// itself allows everything.
#[must_use]
pub fn errors(schema: &Value, document: &Map<String, Value>) -> Vec<ConfigError> {
    let mut schema = schema.clone();
    as_json_schema(&mut schema);
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V7);
    if compiler.add_resource(NAME, schema).is_err() {
        return Vec::new();
    }
    let Ok(index) = compiler.compile(NAME, &mut schemas) else { return Vec::new() };
    let rules = document.get("_rules_").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut errors = Vec::new();
    let mut validate = |fields: Value, prefix: &str| {
        if let Err(error) = schemas.validate(&fields, index) {
            leaves(&error, &mut |error| {
                // A rule may inherit a field, and without rules' fields the global ones may be incomplete.
                if rules.is_empty() || !matches!(error.kind, ErrorKind::Required { .. }) {
                    errors.push(ConfigError::new(path(prefix, error), message(&error.kind)));
                }
            });
        }
    };
    let global = without(document, |key| key == "_rules_");
    if !global.is_empty() || rules.is_empty() {
        validate(Value::Object(global), "");
    }
    for (number, rule) in rules.iter().enumerate() {
        // Anything else is refused by the module.
        if let Value::Object(rule) = rule {
            let fields = without(rule, |key| key.starts_with("_match_"));
            validate(Value::Object(fields), &format!("_rules_[{number}]"));
        }
    }
    errors
}

/// The errors of a module that have a place, and those of the schema in other places: the module's messages are better.
#[must_use]
pub fn merged(by_module: &[ConfigError], by_schema: Vec<ConfigError>) -> Vec<ConfigError> {
    let mut errors: Vec<ConfigError> =
        by_module.iter().filter(|error| !error.path().is_empty()).cloned().collect();
    // An unknown or missing field is an error of its object in the schema.
    let is_in = |inner: &str, path: &str| match inner.strip_prefix(path) {
        Some(rest) => path.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    };
    let is_known = |path: &str| errors.iter().any(|error| is_in(error.path(), path));
    let others: Vec<ConfigError> = by_schema.into_iter().filter(|error| !is_known(error.path())).collect();
    errors.extend(others);
    errors
}

/// The remark on an error of the schema in a configuration that the module accepts.
#[must_use]
pub fn remark(error: &ConfigError) -> ConfigError {
    ConfigError::new(error.path(), format!("does not fit the schema of the image: {}", error.message()))
}

/// The name of the schema in the validator.
const NAME: &str = "schema.json";

fn without(fields: &Map<String, Value>, is_other: impl Fn(&str) -> bool) -> Map<String, Value> {
    fields.iter().filter(|(key, _)| !is_other(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Calls `found` with the errors that have no causes.
fn leaves<'e>(error: &'e ValidationError<'_, '_>, found: &mut dyn FnMut(&'e ValidationError<'_, '_>)) {
    // The causes of these are the alternatives, none of which has to be meant.
    let has_alternatives = matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_));
    if error.causes.is_empty() || has_alternatives {
        return found(error);
    }
    error.causes.iter().for_each(|cause| leaves(cause, found));
}

/// The path of an error's value: `_rules_[0].block_urls[1]`.
fn path(prefix: &str, error: &ValidationError<'_, '_>) -> String {
    let mut path = prefix.to_owned();
    for token in &error.instance_location.tokens {
        match token {
            InstanceToken::Prop(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            InstanceToken::Item(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// What is wrong, in the words of modules.
fn message(kind: &ErrorKind<'_, '_>) -> String {
    let ErrorKind::Type { got, want } = kind else { return kind.to_string() };
    let wanted: Vec<&str> = match want.contains(Type::String) {
        true => vec![in_words(Type::String)],
        false => want.iter().filter(|kind| *kind != Type::Null).map(in_words).collect(),
    };
    format!("must be {}, found {}", wanted.join(" or "), in_words(*got))
}

fn in_words(kind: Type) -> &'static str {
    match kind {
        Type::Null => "nothing (null)",
        Type::Boolean => "true or false",
        Type::Number => "a number",
        Type::Integer => "a whole number",
        Type::String => "a string",
        Type::Array => "a list",
        Type::Object => "an object",
    }
}

/// Turns OpenAPI's `nullable` and strings that may be written without quotes into JSON Schema.
fn as_json_schema(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(as_json_schema);
            if fields.get(hints::TEXT) == Some(&Value::Bool(true)) {
                fields.insert("type".into(), json!(["string", "integer", "boolean"]));
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                match fields.get_mut("type") {
                    Some(Value::String(kind)) => {
                        let kinds = json!([kind, "null"]);
                        fields.insert("type".into(), kinds);
                    }
                    Some(Value::Array(kinds)) => kinds.push("null".into()),
                    _ => {}
                }
                if let Some(Value::Array(words)) = fields.get_mut("enum") {
                    words.push(Value::Null);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_believed_where_it_names_a_place() {
        let errors = |places: &[&str]| -> Vec<ConfigError> {
            places.iter().map(|place| ConfigError::new(*place, "is wrong")).collect()
        };
        let merged = |by_module: &[&str], by_schema: &[&str]| -> Vec<String> {
            let merged = merged(&errors(by_module), errors(by_schema));
            merged.iter().map(|error| error.path().to_owned()).collect()
        };
        assert_eq!(merged(&["texts[1]"], &["", "texts", "texts[1]", "text"]), ["texts[1]", "text"]);
        assert_eq!(merged(&[""], &["", "text"]), ["", "text"]);
        assert_eq!(merged(&["", "text"], &[]), ["text"]);
        assert!(merged(&[""], &[]).is_empty());
    }

    fn paths(document: Value) -> Vec<(String, String)> {
        let schema = json!({
            "type": "object",
            "required": ["urls"],
            "properties": {
                "urls": { "type": "array", "items": { "type": "string", "minLength": 1 } },
                "code": { "type": "integer", "minimum": 200, "maximum": 599, "nullable": true },
                "mode": { "type": "string", "enum": ["open", "closed"], "nullable": true },
                "text": { "type": "string", "x-text": true, "nullable": true },
                "either": { "oneOf": [{ "type": "string" }, { "type": "boolean" }] },
            },
        });
        let Value::Object(document) = document else { panic!("{document}") };
        let errors = errors(&schema, &document);
        errors.iter().map(|error| (error.path().to_owned(), error.message().to_owned())).collect()
    }

    #[test]
    fn all_errors_are_found_with_their_paths() {
        assert_eq!(paths(json!({ "urls": ["a"], "code": null, "mode": null, "either": true })), []);
        let found = paths(json!({ "urls": ["a", "", 3], "code": 99, "mode": "other", "either": 1 }));
        let places: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(places.len(), 5, "{found:?}");
        for place in ["urls[1]", "urls[2]", "code", "mode", "either"] {
            assert!(places.contains(&place), "{place} in {found:?}");
        }
        assert_eq!(paths(json!({}))[0].0, "");
    }

    #[test]
    fn texts_need_no_quotes() {
        for text in [json!("a"), json!(5), json!(true), json!(null)] {
            assert_eq!(paths(json!({ "urls": ["a"], "text": text })), [], "{text}");
        }
        let found = paths(json!({ "urls": "a", "text": [] }));
        let expected =
            [("urls", "must be a list, found a string"), ("text", "must be a string, found a list")];
        for (path, message) in expected {
            assert!(found.contains(&(path.to_owned(), message.to_owned())), "{found:?}");
        }
    }

    #[test]
    fn rules_have_fields_beside_their_conditions_and_may_inherit() {
        let rule = json!({ "_match_domain_": ["a.com"], "code": 99 });
        let found = paths(json!({ "_rules_": [{ "_match_domain_": ["b.com"] }, rule] }));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "_rules_[1].code");
    }

    #[test]
    fn an_invalid_schema_allows_everything() {
        let document = Map::from_iter([("a".to_owned(), json!(1))]);
        assert_eq!(errors(&json!({ "type": 1 }), &document), []);
    }
}
