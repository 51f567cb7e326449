//! Documents whose rules extend the global configuration.

#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

use std::rc::Rc;

use config::{Configuration, Document, Every, FieldError, NonEmptyString, RuleFields};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Fields {
    consumers: Option<Vec<NonEmptyString>>,
    allow: Option<Vec<String>>,
}

#[derive(Debug)]
struct Auth {
    consumers: Rc<Vec<NonEmptyString>>,
    allow: Vec<String>,
    rules: u32,
}

impl Configuration for Auth {
    type Fields = Fields;
    const RULES: RuleFields = RuleFields::Extend;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.allow.is_some() {
            return Err(FieldError::new("allow", "belongs in a rule"));
        }
        let consumers = fields.consumers.ok_or_else(|| FieldError::missing("consumers"))?;
        Ok(Auth { consumers: Rc::new(consumers), allow: Vec::new(), rules: 0 })
    }

    fn check_rule(&mut self, fields: Fields) -> Result<Self, FieldError> {
        if fields.consumers.is_some() {
            return Err(FieldError::new("consumers", "belongs to the global fields"));
        }
        self.rules += 1;
        let allow = fields.allow.unwrap_or_default();
        let known = |name: &String| self.consumers.iter().any(|consumer| **consumer == **name);
        if let Some(index) = allow.iter().position(|name| !known(name)) {
            return Err(FieldError::in_list("allow", index, "is not a consumer").caused_by("consumers"));
        }
        Ok(Auth { consumers: self.consumers.clone(), allow, rules: 0 })
    }
}

fn read(text: &str) -> Result<Document<Auth>, config::ConfigError> {
    Document::from_json(text.as_bytes())
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(read(text).expect_err(text).to_string(), message, "{text}");
}

#[test]
fn rules_share_the_global_configuration_wherever_it_is_written() {
    let rules = r#""_rules_": [{"_match_route_": ["a"], "allow": ["bob"]}, {"_match_route_": ["b"]}]"#;
    let consumers = r#""consumers": ["alice", "bob"]"#;
    for text in [format!("{{{rules}, {consumers}}}"), format!("{{{consumers}, {rules}}}")] {
        let document = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let global = document.global.expect("there are global fields");
        assert_eq!(global.rules, 2);
        assert_eq!(document.rules[0].config.allow, ["bob"]);
        assert!(document.rules.iter().all(|rule| Rc::ptr_eq(&rule.config.consumers, &global.consumers)));
    }
}

#[test]
fn the_global_fields_are_always_checked() {
    refused(r#"{"_rules_": [{"_match_route_": ["a"]}]}"#, "`consumers` is missing: add it");
    refused("", "`consumers` is missing: add it");
}

#[test]
fn errors_in_rules_have_their_path() {
    let rule = |fields: &str| {
        format!(r#"{{"_rules_": [{{"_match_route_": ["a"], {fields}}}], "consumers": ["a"]}}"#)
    };
    refused(&rule(r#""allow": ["a", "b"]"#), "_rules_[0].allow[1]: is not a consumer");
    refused(&rule(r#""consumers": ["b"]"#), "_rules_[0].consumers: belongs to the global fields");
    refused(&rule(r#""alow": ["a"]"#), "_rules_[0].alow: is not a known field: did you mean `allow`?");
    refused(r#"{"consumers": ["a"], "allow": ["a"]}"#, "allow: belongs in a rule");
}

#[test]
fn an_error_that_follows_from_a_global_field_is_not_shown_with_it() {
    let errors = |document: serde_json::Value| {
        let check = |document: &serde_json::Value| read(&document.to_string()).map(drop);
        let errors = Every::of(&document, None, true, check).into_errors();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let rules = json!([{ "_match_route_": ["a"], "allow": ["bob"] }, { "_match_route_": [""] }]);
    let empty = "must not be empty: write at least one character, or remove the entry";
    assert_eq!(
        errors(json!({ "consumers": ["alice", ""], "_rules_": rules })),
        [format!("consumers[1]: {empty}"), format!("_rules_[1]._match_route_[0]: {empty}")]
    );
    assert_eq!(
        errors(json!({ "consumers": ["alice"], "_rules_": rules })),
        [format!("_rules_[1]._match_route_[0]: {empty}"), "_rules_[0].allow[0]: is not a consumer".into()]
    );
}
