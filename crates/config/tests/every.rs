//! Everything that is wrong with a value, each error once and where it was written.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may stop")]

use config::{Configuration, Document, Every, FieldError, MAX_ERRORS, NonEmptyString, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[allow(dead_code, reason = "only read")]
struct Fields {
    name: NonEmptyString,
    #[serde(default)]
    urls: Vec<NonEmptyString>,
    #[serde(default)]
    code: Option<StatusCode>,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only read")]
struct Inner {
    port: u16,
    host: NonEmptyString,
}

/// Fields that are checked together, one error at a time.
struct Checked;

impl Configuration for Checked {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if let Some((index, url)) = fields.urls.iter().enumerate().find(|(_, url)| url.contains('(')) {
            return Err(FieldError::in_list(
                "urls",
                index,
                format!("has an open bracket after {} bytes", url.len()),
            ));
        }
        if fields.urls.is_empty() && fields.inner.is_none() {
            return Err(FieldError::new("", "does nothing: add `urls`"));
        }
        Ok(Self)
    }
}

fn schema() -> Value {
    let inner = json!({ "type": "object", "required": ["port", "host"], "properties": {
        "port": { "type": "integer", "minimum": 1 }, "host": { "type": "string" } } });
    json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string" }, "urls": { "type": "array", "items": { "type": "string" } },
        "code": { "type": "integer" }, "inner": inner } })
}

fn errors(document: &Value) -> Vec<String> {
    let check = |document: &Value| Document::<Checked>::from_json(document.to_string().as_bytes()).map(drop);
    let mut paths: Vec<String> = Every::of(document, Some(&schema()), false, check)
        .errors()
        .iter()
        .map(|error| match error.message().split(':').next().unwrap() {
            missing if missing.ends_with("is missing") => format!("{} {missing}", error.path()),
            _ => error.path().to_owned(),
        })
        .collect();
    paths.sort();
    paths
}

#[test]
fn all_errors_are_found_but_none_that_another_one_causes() {
    let rule = |fields: Value| {
        let mut rule = json!({ "_match_domain_": ["a.com"], "name": "n", "urls": ["u"] });
        rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        rule
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({ "name": "a", "urls": ["b"] }), &[]),
        // Indexes are those of the text, whatever was left out before.
        (
            json!({ "name": "a", "urls": ["", "b", "", "x(", "", "y(z"] }),
            &["urls[0]", "urls[2]", "urls[3]", "urls[4]", "urls[5]"],
        ),
        (
            json!({ "name": "", "urls": ["u"], "code": 99, "colour": 1, "inner": { "port": "x", "host": "", "hots": 1 } }),
            &["code", "colour", "inner.host", "inner.hots", "inner.port", "name"],
        ),
        // A field that is misspelt is not missing too, and a missing field does not hide errors in the others.
        (json!({ "nam": "a", "urls": ["x("] }), &["nam", "urls[0]"]),
        (
            json!({ "urls": ["x("], "inner": { "port": 1 } }),
            &[" `name` is missing", "inner `host` is missing", "urls[0]"],
        ),
        (json!({ "name": 1, "urls": ["x("] }), &["name", "urls[0]"]),
        // Nothing is left to do, because of what was left out.
        (json!({ "name": "a", "urls": [""] }), &["urls[0]"]),
        (json!({ "name": "a" }), &[""]),
        (json!(["a"]), &[""]),
        (
            json!({ "name": "a", "urls": [""], "_rules_": [rule(json!({ "code": 1 })), { "name": "n", "urls": ["u"] }, rule(json!({ "x": 1, "urls": ["u", "x("] })), 5] }),
            &["_rules_[0].code", "_rules_[1]", "_rules_[2].urls[1]", "_rules_[2].x", "_rules_[3]", "urls[0]"],
        ),
        (
            json!({ "_rules_": [{ "_match_domian_": ["a"], "name": "n", "urls": ["u", ""] }, { "_match_domain_": [""], "urls": ["x("] }] }),
            &[
                "_rules_[0]._match_domian_",
                "_rules_[0].urls[1]",
                "_rules_[1] `name` is missing",
                "_rules_[1]._match_domain_[0]",
                "_rules_[1].urls[0]",
            ],
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(errors(&document), expected, "{document}");
    }
}

#[test]
fn the_number_of_checks_is_bounded() {
    let mut runs = 0;
    let document = json!({ "name": "a", "urls": vec![""; 1000] });
    let every = Every::of(&document, None, false, |document| {
        runs += 1;
        Document::<Checked>::from_json(document.to_string().as_bytes()).map(drop)
    });
    assert_eq!((every.errors().len(), runs), (MAX_ERRORS, MAX_ERRORS + 1));
    assert_eq!(every.errors().last().unwrap().path(), format!("urls[{}]", MAX_ERRORS - 1));
    // One that names nothing which could be left out ends it.
    let endless = Every::of(&document, None, false, |_| Err(config::ConfigError::new("nowhere", "is wrong")));
    assert_eq!(endless.errors().len(), 1);
}
