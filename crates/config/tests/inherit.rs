//! Documents whose rules start from the global fields.

#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

use config::{Configuration, Document, FieldError, RuleFields};
use serde::Deserialize;

/// As in an authentication plug-in: what is needed for all, what a rule adds, and fields that have to agree.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Fields {
    consumers: Vec<Consumer>,
    #[serde(default)]
    allow: Option<Vec<String>>,
    #[serde(default)]
    min: u32,
    #[serde(default = "one")]
    max: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Consumer {
    name: String,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    offset: i32,
    #[serde(default)]
    active: Option<bool>,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, PartialEq)]
struct Auth(Fields);

impl Configuration for Auth {
    type Fields = Fields;
    const RULES: RuleFields = RuleFields::Inherit;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.min > fields.max {
            return Err(FieldError::new("max", "is less than min: write min or more"));
        }
        let known = |name: &String| fields.consumers.iter().any(|consumer| consumer.name == *name);
        if let Some(index) = fields.allow.iter().flatten().position(|name| !known(name)) {
            return Err(FieldError::in_list("allow", index, "is not a consumer: write the name of one"));
        }
        if fields.consumers.is_empty() {
            return Err(FieldError::new("", "allows no consumer: add one"));
        }
        Ok(Auth(fields))
    }
}

fn read(text: &str) -> Document<Auth> {
    Document::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = Document::<Auth>::from_json(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
}

const CONSUMERS: &str = r#""consumers": [{"name": "alice", "rate": 0.5, "offset": -3, "active": true}, {"name": "bob", "rate": null}]"#;

#[test]
fn a_rule_inherits_the_global_fields_that_it_does_not_have() {
    let rules = r#""_rules_": [
        {"_match_route_": ["a"], "allow": ["alice"]},
        {"max": 9, "_match_consumer_": ["bob"], "consumers": [{"name": "carol"}]},
        {"_match_domain_": ["b"]}]"#;
    for text in [
        format!(r#"{{{CONSUMERS}, "max": 5, "min": 2, {rules}}}"#),
        format!(r#"{{{rules}, "min": 2, {CONSUMERS}, "max": 5}}"#),
        format!(r#"{{"max": 5, {CONSUMERS}, {rules}, "min": 2}}"#),
    ] {
        let document = read(&text);
        let global = document.global.expect("has fields").0;
        let names = |fields: &Fields| fields.consumers.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&global), global.min, global.max), (vec!["alice".into(), "bob".into()], 2, 5));
        let rules: Vec<_> = document.rules.iter().map(|rule| rule.config.0.clone()).collect();
        assert_eq!(rules[0], Fields { allow: Some(vec!["alice".into()]), ..global.clone() }, "{text}");
        // What the rule writes replaces all of the field: nothing inside is joined.
        assert_eq!((names(&rules[1]), rules[1].min, rules[1].max), (vec!["carol".into()], 2, 9), "{text}");
        assert_eq!(rules[2], global, "{text}");
        assert_eq!(document.rules[1].conditions.consumers, ["bob"]);
    }
}

#[test]
fn null_in_a_rule_is_a_value() {
    let text = |field: &str| {
        format!(
            r#"{{{CONSUMERS}, "allow": ["bob"], "_rules_": [{{"_match_route_": ["a"], {field}: null}}]}}"#
        )
    };
    assert_eq!(read(&text(r#""allow""#)).rules[0].config.0.allow, None);
    refused(
        &text(r#""consumers""#),
        "_rules_[0].consumers: must be a list, found nothing (null): write a value, or remove the field",
    );
}

#[test]
fn without_global_fields_a_rule_starts_from_nothing() {
    let document = read(&format!(r#"{{"_rules_": [{{"_match_route_": ["a"], {CONSUMERS}}}]}}"#));
    assert!(document.global.is_none());
    assert_eq!(document.rules[0].config.0.consumers.len(), 2);
    refused(
        r#"{"_rules_": [{"_match_route_": ["a"], "allow": ["alice"]}]}"#,
        "_rules_[0]: `consumers` is missing: add it",
    );
    refused("{}", "`consumers` is missing: add it");
    refused(
        r#"{"_rules_": []}"#,
        "_rules_: has no rules, and there are no other fields: add a rule, or remove `_rules_`",
    );
    assert!(read(&format!(r#"{{"_rules_": [], {CONSUMERS}}}"#)).global.is_some());
}

#[test]
fn an_error_in_a_global_field_has_its_path() {
    let rules = r#""_rules_": [{"_match_route_": ["a"], "max": "x"}, {"_match_route_": ["b"], "max": 3}]"#;
    for (fields, message) in [
        (
            r#""consumers": [{"name": 5}]"#,
            "consumers[0].name: must be a string, found whole number: put it in quotes",
        ),
        (r#""consumers": [{}]"#, "consumers[0]: `name` is missing: add it"),
        (r#""consumers": []"#, "allows no consumer: add one"),
        (r#""max": 4"#, "`consumers` is missing: add it"),
        (r#""consumers": [{"name": "a"}], "min": 2, "max": 1"#, "max: is less than min: write min or more"),
        (
            r#""consumers": [{"name": "a"}], "alow": ["a"]"#,
            "alow: is not a known field: did you mean `allow`?",
        ),
        (r#""max": 1, "max": 2"#, "duplicate field `max`: remove one"),
        (r#""consumers": [{"name": "a", "name": "b"}]"#, "consumers[0]: duplicate field `name`: remove one"),
        (
            r#""_match_route_": ["a"]"#,
            "_match_route_: is a condition and belongs in a rule: move it and its fields into an entry of `_rules_`",
        ),
    ] {
        refused(&format!("{{{rules}, {fields}}}"), message);
        refused(&format!("{{{fields}, {rules}}}"), message);
    }
}

#[test]
fn an_error_in_a_rule_has_the_path_of_the_rule() {
    for (fields, message) in [
        (r#""allow": ["alice", "eve"]"#, "_rules_[1].allow[1]: is not a consumer: write the name of one"),
        (r#""min": 6, "max": 4"#, "_rules_[1].max: is less than min: write min or more"),
        (
            r#""min": 6"#,
            "_rules_[1].max: is less than min: write min or more (the rule inherits this global field)",
        ),
        (
            r#""consumers": [{"name": "carol"}]"#,
            "_rules_[1].allow[0]: is not a consumer: write the name of one (the rule inherits this global field)",
        ),
        (r#""consumers": [], "allow": null"#, "_rules_[1]: allows no consumer: add one"),
        (
            r#""allow": "bob""#,
            "_rules_[1].allow: must be a list, found string: put it in brackets, [like this]",
        ),
        (r#""alow": []"#, "_rules_[1].alow: is not a known field: did you mean `allow`?"),
        (r#""min": 1, "min": 1"#, "_rules_[1]: duplicate field `min`: remove one"),
        (r#""_match_route_": ["c"]"#, "_rules_[1]._match_route_: is a duplicate key: join the two lists"),
        (
            r#""_rules_": []"#,
            "_rules_[1]._rules_: is not a known field: the fields are `consumers`, `allow`, `min` and `max`",
        ),
    ] {
        let rules =
            format!(r#""_rules_": [{{"_match_route_": ["a"]}}, {{"_match_route_": ["b"], {fields}}}]"#);
        let global = format!(r#"{CONSUMERS}, "allow": ["bob"], "max": 5"#);
        refused(&format!("{{{rules}, {global}}}"), message);
        refused(&format!("{{{global}, {rules}}}"), message);
    }
}

#[test]
fn errors_in_the_list_of_rules_have_a_path() {
    for (rules, message) in [
        (r#""_rules_": {}"#, "_rules_: must be a list, found object"),
        (
            r#""_rules_": [5]"#,
            "_rules_[0]: must be an object with a condition and fields, found whole number",
        ),
        (r#""_rules_": [], "_rules_": []"#, "_rules_: is a duplicate key: join the two lists"),
        (
            r#""_rules_": [{"max": 2}]"#,
            "_rules_[0]: has no condition: add `_match_route_`, `_match_domain_`, `_match_service_`, `_match_route_prefix_` or `_match_consumer_`",
        ),
    ] {
        refused(&format!("{{{CONSUMERS}, {rules}}}"), message);
    }
    refused("[]", "must be an object, found list");
}

#[test]
fn invalid_json_has_a_line_and_a_column() {
    refused(r#"{"max": "#, "max: EOF while parsing a value at line 1 column 8");
    refused("{\"consumers\": [{]}", "consumers: key must be a string at line 1 column 17");
    refused(&format!("{{{CONSUMERS}}}\n x"), "trailing characters at line 2 column 2");
    let deep = format!("{{\"consumers\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Document::<Auth>::from_json(deep.as_bytes()).is_err());
}
