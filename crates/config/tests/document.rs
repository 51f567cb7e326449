//! The document: what is taken, what is refused, and in which words.

#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

use config::host::HostPattern;
use config::rules::Conditions;
use config::{Configuration, Document, FieldError, HeaderName, NonEmptyString, StatusCode};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(default)]
    block_urls: Vec<NonEmptyString>,
    #[serde(default)]
    blocked_code: Option<StatusCode>,
    #[serde(default)]
    header: Option<HeaderName>,
    #[serde(default)]
    nested: Vec<Nested>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    deep: Option<bool>,
    #[serde(default)]
    size: u16,
}

#[derive(Debug, Deserialize)]
struct Nested {
    #[expect(dead_code, reason = "only its place in the document matters here")]
    key: String,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Hold,
    Stream,
}

/// Takes what has a pattern or a nested entry, and names an entry that is not to its taste.
#[derive(Debug)]
struct Checked(Fields);

impl Configuration for Checked {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if let Some(index) = fields.block_urls.iter().position(|url| &**url == "bad") {
            return Err(FieldError::in_list("block_urls", index, "is bad: write good"));
        }
        if fields.block_urls.is_empty() && fields.nested.is_empty() {
            return Err(FieldError::new("", "needs `block_urls` or `nested`"));
        }
        Ok(Checked(fields))
    }
}

fn read(text: &str) -> Document<Checked> {
    Document::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = Document::<Checked>::from_json(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
}

#[test]
fn global_fields_alone_apply_to_everything() {
    let document =
        read(r#"{"block_urls": ["a"], "blocked_code": 404, "mode": "stream", "header": "X-From"}"#);
    let global = document.global.expect("has fields").0;
    assert_eq!(global.blocked_code.map(StatusCode::get), Some(404));
    assert_eq!(global.mode, Mode::Stream);
    assert_eq!(global.header.as_deref(), Some("x-from"));
    assert!(global.deep.is_none() && global.size == 0);
    assert!(document.rules.is_empty());
}

#[test]
fn rules_alone_leave_no_global_configuration() {
    let text = r#"{"_rules_": [
        {"_match_domain_": ["a.com", "*.b.com"], "_match_route_": ["r"], "block_urls": ["x"]},
        {"block_urls": ["y"], "_match_service_": ["s:80"], "_match_route_prefix_": ["p"]},
        {"_match_consumer_": ["alice", "Bob"], "block_urls": ["z"]}]}"#;
    let document = read(text);
    assert!(document.global.is_none());
    let conditions: Vec<_> = document.rules.iter().map(|rule| rule.conditions.clone()).collect();
    let strings = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(
        conditions,
        [
            Conditions {
                hosts: ["a.com", "*.b.com"].map(|host| HostPattern::parse(host).expect("a pattern")).to_vec(),
                routes: strings(&["r"]),
                ..Default::default()
            },
            Conditions {
                services: strings(&["s:80"]),
                route_prefixes: strings(&["p"]),
                ..Default::default()
            },
            Conditions { consumers: strings(&["alice", "Bob"]), ..Default::default() },
        ]
    );
    assert_eq!(&*document.rules[1].config.0.block_urls[0], "y");
}

#[test]
fn fields_are_allowed_before_and_after_the_rules() {
    let rules = r#""_rules_": [{"_match_route_": ["r"], "block_urls": ["x"]}]"#;
    for text in [
        format!(r#"{{"block_urls": ["a"], {rules}, "size": 7}}"#),
        format!(r#"{{{rules}, "block_urls": ["a"], "size": 7}}"#),
        format!(r#"{{"size": 7, "block_urls": ["a"], {rules}}}"#),
    ] {
        let document = read(&text);
        assert_eq!(document.global.expect("has fields").0.size, 7, "{text}");
        assert_eq!(document.rules.len(), 1, "{text}");
    }
}

#[test]
fn an_empty_text_is_the_empty_document() {
    #[derive(Deserialize)]
    struct AllDefault {
        #[serde(default)]
        name: String,
    }
    for text in ["", " \n", "{}"] {
        let document = Document::<AllDefault>::from_json(text.as_bytes()).unwrap();
        assert_eq!(document.global.map(|global| global.name).as_deref(), Some(""), "{text:?}");
    }
    for text in ["", "{}"] {
        refused(text, "needs `block_urls` or `nested`");
    }
}

#[test]
fn every_error_has_a_path_and_advice() {
    for (text, message) in [
        (
            r#"{"block_urls": [""]}"#,
            "block_urls[0]: must not be empty: write at least one character, or remove the entry",
        ),
        (
            r#"{"block_urls": ["a", 5]}"#,
            "block_urls[1]: must be a string, found whole number: put it in quotes",
        ),
        (
            r#"{"block_urls": "a"}"#,
            "block_urls: must be a list, found string: put it in brackets, [like this]",
        ),
        (
            r#"{"block_urls": null}"#,
            "block_urls: must be a list, found nothing (null): write a value, or remove the field",
        ),
        (r#"{"blocked_code": 99}"#, "blocked_code: must be a status from 200 to 599: write for example 403"),
        (r#"{"blocked_code": 600}"#, "blocked_code: must be a status from 200 to 599: write for example 403"),
        (
            r#"{"blocked_code": "403"}"#,
            "blocked_code: must be a whole number from 0 to 4294967295, found string: write it without quotes",
        ),
        (r#"{"size": 65536}"#, "size: must be a whole number from 0 to 65535, found another whole number"),
        (r#"{"deep": "true"}"#, "deep: must be true or false, found string: write it without quotes"),
        (r#"{"mode": "both"}"#, "mode: must be one of `hold` and `stream`"),
        (r#"{"nested": [{"key": "a"}, {}]}"#, "nested[1]: `key` is missing: add it"),
        (
            r#"{"nested": [{"key": "a", "keyy": 1}]}"#,
            "nested[0].keyy: is not a known field: did you mean `key`?",
        ),
        (r#"{"nested": [3]}"#, "nested[0]: must be an object, found whole number"),
        (r#"{"block_url": ["a"]}"#, "block_url: is not a known field: did you mean `block_urls`?"),
        (
            r#"{"colour": 1}"#,
            "colour: is not a known field: the fields are `block_urls`, `blocked_code`, `header`, `nested`, `mode`, `deep` and `size`",
        ),
        (r#"{"block_urls": ["a"], "block_urls": ["b"]}"#, "duplicate field `block_urls`: remove one"),
        (r#"{"block_urls": ["a", "bad"]}"#, "block_urls[1]: is bad: write good"),
        (
            r#"{"header": "x y"}"#,
            "header: is not the name of a header: write letters, digits and dashes, for example x-from",
        ),
        ("[]", "must be an object, found list"),
        ("5", "must be an object, found whole number"),
    ] {
        refused(text, message);
    }
}

#[test]
fn an_error_in_a_rule_has_the_path_of_the_rule() {
    let rule = |fields: &str| {
        format!(r#"{{"_rules_": [{{"_match_route_": ["r"], "block_urls": ["a"]}}, {{{fields}}}]}}"#)
    };
    for (fields, message) in [
        (
            r#""_match_route_": ["r"], "block_urls": [""]"#,
            "_rules_[1].block_urls[0]: must not be empty: write at least one character, or remove the entry",
        ),
        (r#""_match_route_": ["r"], "block_urls": ["bad"]"#, "_rules_[1].block_urls[0]: is bad: write good"),
        (r#""_match_route_": ["r"]"#, "_rules_[1]: needs `block_urls` or `nested`"),
        (
            r#""block_urls": ["a"]"#,
            "_rules_[1]: has no condition: add `_match_route_`, `_match_domain_`, `_match_service_`, `_match_route_prefix_` or `_match_consumer_`",
        ),
        (
            r#""_match_domain_": [], "block_urls": ["a"]"#,
            "_rules_[1]._match_domain_: must not be empty: add an entry, or remove the condition",
        ),
        (
            r#""_match_domain_": [""], "block_urls": ["a"]"#,
            "_rules_[1]._match_domain_[0]: must not be empty: write at least one character, or remove the entry",
        ),
        (
            r#""_match_domain_": "a.com", "block_urls": ["a"]"#,
            "_rules_[1]._match_domain_: must be a list, found string: put it in brackets, [like this]",
        ),
        (
            r#""_match_domains_": ["a.com"], "block_urls": ["a"]"#,
            "_rules_[1]._match_domains_: is not a known condition: did you mean `_match_domain_`? The conditions are `_match_route_`, `_match_domain_`, `_match_service_`, `_match_route_prefix_` and `_match_consumer_`",
        ),
        (
            r#""_match_consumers_": ["alice"], "block_urls": ["a"]"#,
            "_rules_[1]._match_consumers_: is not a known condition: did you mean `_match_consumer_`? The conditions are `_match_route_`, `_match_domain_`, `_match_service_`, `_match_route_prefix_` and `_match_consumer_`",
        ),
        (
            r#""_match_consumer_": "alice", "block_urls": ["a"]"#,
            "_rules_[1]._match_consumer_: must be a list, found string: put it in brackets, [like this]",
        ),
        (
            r#""_match_route_": ["r"], "block_url": ["a"]"#,
            "_rules_[1].block_url: is not a known field: did you mean `block_urls`?",
        ),
        (
            r#""_match_route_": ["r"], "_match_route_": ["s"], "block_urls": ["a"]"#,
            "_rules_[1]._match_route_: is a duplicate key: join the two lists",
        ),
    ] {
        refused(&rule(fields), message);
    }
}

#[test]
fn errors_in_the_list_of_rules_have_a_path() {
    for (text, message) in [
        (
            r#"{"_rules_": []}"#,
            "_rules_: has no rules, and there are no other fields: add a rule, or remove `_rules_`",
        ),
        (r#"{"_rules_": {}}"#, "_rules_: must be a list, found object"),
        (r#"{"_rules_": ["a"]}"#, "_rules_[0]: must be an object with a condition and fields, found string"),
        (
            r#"{"block_urls": ["a"], "_match_domain_": ["a.com"]}"#,
            "_match_domain_: is a condition and belongs in a rule: move it and its fields into an entry of `_rules_`",
        ),
        (
            r#"{"_rules_": [{"_match_route_": ["r"], "_rules_": [], "block_urls": ["a"]}]}"#,
            "_rules_[0]._rules_: is not a known field: the fields are `block_urls`, `blocked_code`, `header`, `nested`, `mode`, `deep` and `size`",
        ),
    ] {
        refused(text, message);
    }
    assert_eq!(read(r#"{"block_urls": ["a"], "_rules_": []}"#).rules.len(), 0);
}

#[test]
fn invalid_json_has_a_line_and_a_column() {
    refused(r#"{"block_urls": "#, "block_urls: EOF while parsing a value at line 1 column 15");
    refused("{\"block_urls\": [\"a\"]\n,}", "trailing comma at line 2 column 2");
    refused(r#"{"block_urls": ["a"]} x"#, "trailing characters at line 1 column 23");
}

#[test]
fn invalid_documents_are_errors_without_a_panic() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in [deep.as_bytes(), b"\xff\xfe", b"{\"block_urls\": [\"\xff\"]}", b"\0", b"{\"\\ud800\": 1}"] {
        assert!(Document::<Checked>::from_json(text).is_err());
    }
}
