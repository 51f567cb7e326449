//! The cost of changing JSON is linear in its size, for every operation.

use serde_json::{Value, json};
use testkit::exchange::{Request, Upstream};
use testkit::linear;

/// Creates a request with a document: entries of a list, and a long text with escapes.
fn request(entries: usize) -> Request {
    let list = vec![r#"{"n": "a\"b", "x": [1, 1, 2]}"#; entries].join(" , ");
    let document = format!("{{\"f\": [{list}], \"k\": \"{}\"}}", "\\\"".repeat(entries));
    Request {
        method: "POST".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(document.as_str().into()),
        ..Request::default()
    }
}

#[test]
fn every_operation_is_linear() {
    let engine = testkit::interpreter(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"));
    let operations: [(&str, Value); 6] = [
        ("replace", json!({ "key": "f.#.n", "newValue": "1" })),
        ("add", json!({ "key": "f.#.m", "value": "1" })),
        ("remove", json!({ "key": "f.#.n" })),
        ("rename", json!({ "oldKey": "f.#.n", "newKey": "f.#.m" })),
        ("dedupe", json!({ "key": "f.#.x", "strategy": "RETAIN_UNIQUE" })),
        ("append", json!({ "key": "f.9.y.z", "appendValue": "1" })),
    ];
    for (operate, change) in operations {
        let config = json!({ "reqRules": [{ "operate": operate, "body": [change] }] });
        let cost = |entries| linear::instructions(&engine, &config, &request(entries), &Upstream::default());
        linear::check(operate, 500, cost).unwrap();
    }
}
