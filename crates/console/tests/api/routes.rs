//! Every route of the OpenAPI document, for everyone.

use console::access::{Needs, ROUTES, needs};
use console::users::Role;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::Console;

/// Every operation of the document: the method, the path, and whether it has a body.
fn operations() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(console::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase().parse().unwrap(), path.clone(), operation.clone()));
        }
    }
    assert!(operations.len() > 30, "{}", operations.len());
    operations
}

/// A path with values in place of its parameters.
fn filled(path: &str) -> String {
    path.replace("{g}", "shop").replace("{p}", "mine").replace("{id}", "x")
}

#[test]
fn the_table_and_the_document_have_the_same_routes() {
    let operations = operations();
    for (method, path, _) in &operations {
        assert!(needs(method, path).is_some(), "{method} {path} is not in the table");
    }
    for (method, path, _) in ROUTES {
        let is_there = operations.iter().any(|(known, own, _)| known.as_str() == *method && own == path);
        assert!(is_there, "{method} {path} is not in the document");
    }
    // Whatever changes something needs more than a viewer.
    for (method, path, needs) in ROUTES {
        let is_reading = *method == "GET" || path.ends_with("/explain") || path.ends_with("/curl");
        let is_own = path.starts_with("/api/v1/session");
        let for_viewers = *needs == Needs::In(Role::Viewer);
        assert!(is_own || is_reading || !for_viewers, "{method} {path}");
    }
}

#[test]
fn every_operation_is_described() {
    for (method, path, operation) in operations() {
        for field in ["summary", "tags", "responses"] {
            assert!(!operation[field].is_null(), "{method} {path} has no {field}");
        }
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/console-api.md");
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written == console::reference(), "docs/console-api.md is out of date: run `cargo xtask docs`");
}

#[tokio::test]
async fn the_examples_of_the_reference_are_valid_bodies() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    for (method, path, operation) in operations() {
        let is_json = operation["requestBody"]["content"]["application/json"].is_object();
        let example = console::EXAMPLES.iter().find(|(own, at, _)| *own == method.as_str() && *at == path);
        assert_eq!(is_json, example.is_some(), "{method} {path}");
        // Those of sessions are for users, an image is pulled, and Envoy is not needed here.
        let is_skipped = ["/session", "/password", "/images", "/try"].iter().any(|end| path.ends_with(end));
        if let Some((.., body)) = example.filter(|_| !is_skipped) {
            let body = serde_json::from_str(body).unwrap();
            let answer = client.json(method.clone(), &filled(&path), Some("\"x\""), body).await;
            assert_ne!(answer.json()["code"], "request_invalid", "{method} {path} {}", answer.json());
        }
    }
}

#[tokio::test]
async fn nobody_gets_anything_without_a_session() {
    let console = Console::start().await;
    let client = console.client();
    for (method, path, _) in operations() {
        if needs(&method, &path) == Some(Needs::Nothing) {
            continue;
        }
        let answer = client.json(method.clone(), &filled(&path), None, json!({})).await;
        assert_eq!(answer.refused(), (401, "signed_out".into()), "{method} {path}");
    }
}

#[tokio::test]
async fn a_viewer_cannot_change_anything_by_any_route() {
    let console = Console::with_users().await;
    let viewer = console.sign_in_as("viewer").await;
    let before = snapshot(&console);
    let mut refused = 0;
    for (method, path, _) in operations() {
        if path.starts_with("/api/v1/session") || path.ends_with("/events") {
            continue;
        }
        for method in [method, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = viewer.json(method.clone(), &filled(&path), Some("\"x\""), json!({})).await;
            let wanted = needs(&method, &path);
            match wanted {
                Some(Needs::In(Role::Viewer) | Needs::Session) => {}
                Some(_) => {
                    assert_eq!(answer.refused(), (403, "forbidden".into()), "{method} {path}");
                    refused += 1;
                }
                None => assert_eq!(answer.refused(), (405, "method_not_allowed".into()), "{method} {path}"),
            }
        }
    }
    assert!(refused > 20, "{refused}");
    assert_eq!(snapshot(&console), before, "and nothing has changed");
}

/// The content of both gateways' folders.
fn snapshot(console: &Console) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut todo = vec![console.folder("shop"), console.folder("blog")];
    let mut files = Vec::new();
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => todo.push(path),
                path => files.push((path.clone(), std::fs::read(&path).unwrap())),
            }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn an_operator_configures_and_switches_and_no_more() {
    let console = Console::with_users().await;
    let operator = console.sign_in_as("operator").await;
    let tag = operator.etag("shop", "mine").await;
    let path = "/gateways/shop/plugins/mine/enabled";
    operator.json(Method::PUT, path, Some(&tag), json!({ "enabled": true })).await.good();
    for (method, path) in [
        (Method::POST, "/gateways/shop/plugins"),
        (Method::PATCH, "/gateways/shop/plugins/mine"),
        (Method::DELETE, "/gateways/shop/plugins/mine"),
        (Method::POST, "/gateways/shop/uploads?name=a.wasm"),
        (Method::POST, "/gateways/shop/start"),
        (Method::POST, "/gateways/shop/plugins/mine/versions"),
    ] {
        assert_eq!(
            operator.json(method, path, Some(&tag), json!({})).await.refused().1,
            "forbidden",
            "{path}"
        );
    }
}

#[tokio::test]
async fn random_bodies_are_refused_and_never_break_anything() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let seed = std::env::var("PORTCULLIS_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = Random(seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1));
    println!("PORTCULLIS_SEED={}", random.0);
    let bodies = |random: &mut Random| match random.below(5) {
        0 => (0..random.below(200)).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
        1 => random.json(0).to_string().into_bytes(),
        2 => b"{".repeat(random.below(5000)),
        3 => b"[".repeat(random.below(5000)),
        _ => {
            let mut text = random.json(0).to_string().into_bytes();
            text.truncate(random.below(text.len() + 1));
            text
        }
    };
    for _ in 0..12 {
        for (method, path, _) in operations() {
            // Envoy is not needed to refuse something.
            let skipped = ["/session", "/events", "/start", "/try", "/images"];
            if method == Method::GET || skipped.iter().any(|end| path.ends_with(end)) {
                continue;
            }
            let headers = [("content-type", "application/json"), ("if-match", "\"x\"")];
            let body: Vec<u8> = bodies(&mut random);
            let answer = client.send(method.clone(), &filled(&path), &headers, body.clone().into()).await;
            let shown = String::from_utf8_lossy(&body);
            assert_ne!(answer.status, 500, "{method} {path} {shown} {}", answer.json());
            if !answer.status.is_success() {
                answer.refused();
            }
        }
    }
    let large = "x".repeat(1024 * 1024 + 1);
    let answer = client.post("/gateways/shop/curl", json!({ "text": large })).await;
    assert_eq!(answer.refused(), (413, "request_too_large".into()));
    client.get("/gateways/shop").await.good();
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or_default() % limit.max(1)
    }

    /// A document with names and values that the API knows, in wrong places.
    fn json(&mut self, depth: usize) -> Value {
        const NAMES: [&str; 14] = [
            "name", "module", "upload", "image", "builtin", "stage", "priority", "scopes", "key", "text",
            "enabled", "match", "gateway", "before",
        ];
        const TEXTS: [&str; 9] = [
            "",
            "mine",
            "../../etc/passwd",
            "gateway",
            "authn",
            "a: [",
            "\u{0}",
            "oci://127.0.0.1:1/a/b:1",
            "-1",
        ];
        match self.below(if depth > 3 { 4 } else { 7 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(i64::try_from(self.below(100_000)).unwrap() - 50_000),
            3 => json!(TEXTS[self.below(TEXTS.len())]),
            4 => (0..self.below(4)).map(|_| self.json(depth + 1)).collect(),
            _ => {
                let fields = (0..self.below(6))
                    .map(|_| (NAMES[self.below(NAMES.len())].to_owned(), self.json(depth + 1)));
                Value::Object(fields.collect())
            }
        }
    }
}
