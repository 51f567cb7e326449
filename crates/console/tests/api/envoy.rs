//! What needs a real Envoy.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::Options;
use gateway::journal::Journal;
use hyper::Method;
use oci::catalogue::Index;
use oci::{Catalogue, Layout, Shape};
use serde_json::{Value, json};

use crate::support::{Client, Console, module, options, resource, root, users};

/// Waits until the gateway is in a state.
async fn wait(client: &Client, state: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let view = client.get("/gateways/shop").await.good();
        if view["state"] == state {
            return view;
        }
        assert!(Instant::now() < deadline, "{view}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a plug-in is in a state.
async fn wait_plugin(client: &Client, plugin: &str, state: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let card = client.card("shop", plugin).await;
        if card["state"] == state {
            return card;
        }
        assert!(Instant::now() < deadline, "{card}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn get(address: &str) -> u16 {
    let request = gateway::client::Request {
        method: Method::GET,
        host: "localhost".into(),
        path: "/hello?token=secret".into(),
        headers: hyper::HeaderMap::new(),
        body: Vec::new(),
        trailers: hyper::HeaderMap::new(),
        http2: false,
        websocket: false,
        timeout: Duration::from_secs(10),
    };
    gateway::client::send(address.parse().unwrap(), &request)
        .await
        .unwrap()
        .map_or(0, |response| response.status)
}

/// A module that answers every request with a status.
fn answering(status: u16) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "proxy_send_local_response"
                (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_initialize"))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (drop (call $send (i32.const {status}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const 0) (i32.const 0) (i32.const -1)))
                i32.const 1)
            (func (export "proxy_on_done") (param i32) (result i32) i32.const 1)
            (func (export "proxy_on_log") (param i32))
            (func (export "proxy_on_delete") (param i32)))"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn a_gateway_serves_what_the_console_changes_without_losing_a_request() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    client.post("/gateways/shop/start", Value::Null).await.good();
    let again = client.post("/gateways/shop/start", Value::Null).await;
    assert_eq!(again.refused(), (409, "gateway_running".into()));
    let view = wait(&client, "serving").await;
    let address = view["address"].as_str().unwrap().to_owned();
    assert_eq!(get(&address).await, 200);

    // The whole way of a custom plug-in: uploaded, added, enabled.
    let upload = client.upload("shop", "teapot.wasm", answering(418)).await.good();
    let add = json!({
        "name": "teapot", "description": "Answers", "language": "WAT", "stage": "authn", "priority": 0,
        "module": { "upload": upload["id"] }, "enabled": false,
    });
    client.post("/gateways/shop/plugins", add.clone()).await.good();
    assert_eq!(client.post("/gateways/shop/plugins", add).await.refused().1, "name_taken");
    let tag = client.etag("shop", "teapot").await;
    let enabled = "/gateways/shop/plugins/teapot/enabled";
    client.json(Method::PUT, enabled, Some(&tag), json!({ "enabled": true })).await.good();
    let card = wait_plugin(&client, "teapot", "on").await;
    assert_eq!(get(&address).await, 418);

    // A new version while it is on, under load, and back.
    let versions = "/gateways/shop/plugins/teapot/versions";
    let upload = client.upload("shop", "teapot.wasm", answering(451)).await.good();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = tokio::spawn({
        let address = address.clone();
        async move {
            let mut statuses = Vec::new();
            while !*stopped.borrow() {
                statuses.push(get(&address).await);
            }
            statuses
        }
    });
    let body = json!({ "module": { "upload": upload["id"] } });
    let tag = card["etag"].as_str().unwrap();
    client.json(Method::POST, versions, Some(tag), body).await.good();
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(&address).await != 451 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    let statuses = load.await.unwrap();
    assert!(statuses.iter().all(|status| [418, 451].contains(status)), "{statuses:?}");
    let card = wait_plugin(&client, "teapot", "on").await;
    let back =
        client.json(Method::POST, &format!("{versions}/rollback"), card["etag"].as_str(), Value::Null).await;
    back.good();
    while get(&address).await != 418 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A change by hand shows at once.
    let file = console.folder("shop").join("teapot.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}  unknownField: 1\n")).unwrap();
    wait_plugin_gone(&client).await;
    fs::write(&file, text).unwrap();

    let live = client.get("/gateways/shop/live").await.good();
    assert!(live["access"].as_array().unwrap().iter().any(|access| access["status"] == 418), "{live}");
    assert!(!live.to_string().contains("token=secret"), "secrets of queries are hidden");
    client.post("/gateways/shop/stop", Value::Null).await.good();
    wait(&client, "stopped").await;
    console.stop().await;
}

/// Waits until the folder's error is shown.
async fn wait_plugin_gone(client: &Client) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let view = client.get("/gateways/shop").await.good();
        if view["faults"].as_array().is_some_and(|faults| !faults.is_empty()) {
            return;
        }
        assert!(Instant::now() < deadline, "{view}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn a_module_that_envoy_does_not_load_is_refused_and_leaves_nothing_behind() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    // Its VM does not start.
    let text = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "_initialize") unreachable))"#;
    let upload = client.upload("shop", "bad.wasm", wat::parse_str(text).unwrap()).await.good();
    let add = json!({
        "name": "bad", "description": "Fails", "language": "WAT", "stage": "default", "priority": 0,
        "module": { "upload": upload["id"] }, "enabled": false,
    });
    let refused = client.post("/gateways/shop/plugins", add).await;
    assert_eq!(refused.refused(), (422, "module_not_loaded".into()), "{}", refused.json());
    assert!(!console.folder("shop").join("bad.yaml").exists());
    assert!(!console.folder("shop").join("modules/bad.wasm").exists());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn a_request_is_tried_before_and_after_an_unsaved_change() {
    let root = root();
    fs::write(root.path().join("shop/modules/teapot.wasm"), answering(418)).unwrap();
    fs::write(root.path().join("shop/teapot.yaml"), resource("teapot", true)).unwrap();
    let options = options(root.path());
    let console = Console::with(root, options).await;
    let client = console.sign_in().await;
    let request = json!({ "method": "GET", "url": "http://a.com/x", "headers": [["authorization", "Bearer s3cr3t-token"]] });
    let tried = client.post("/gateways/shop/try", json!({ "request": request })).await.good();
    let result = &tried["result"];
    assert_eq!(
        (&result["status"], &result["respondedBy"]["kind"]),
        (&json!(418), &json!("plugin")),
        "{result}"
    );
    assert_eq!(result["respondedBy"]["plugin"], "teapot");
    assert_eq!(
        (&result["lanes"][0]["id"], &result["lanes"][0]["request"]["ran"]),
        (&json!("teapot"), &json!(true))
    );
    assert!(!result.to_string().contains("s3cr3t-token"), "{result}");
    let change = json!({ "plugin": "teapot", "scopes": [
        { "key": "gateway", "match": {}, "enabled": false, "text": "words: [a]\n" },
        { "key": "new-1", "match": { "domain": ["other.com"] }, "enabled": true, "text": "words: [b]\n" },
    ] });
    let file = console.folder("shop").join("teapot.yaml");
    let before = fs::read_to_string(&file).unwrap();
    let tried =
        client.post("/gateways/shop/try", json!({ "request": request, "change": change })).await.good();
    assert_eq!(tried["before"]["status"], 418, "{tried}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "nothing is saved");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn events_arrive_as_they_happen_and_end_with_the_session() {
    let root = root();
    fs::write(root.path().join("shop/modules/teapot.wasm"), module()).unwrap();
    let options = Options { start: true, ..options(root.path()) };
    let console = Console::with(root, options).await;
    let client = console.sign_in().await;
    let view = wait(&client, "serving").await;
    let reader = tokio::spawn({
        let client = client.clone();
        async move { client.get("/gateways/shop/events").await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    get(view["address"].as_str().unwrap()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.send(Method::DELETE, "/session", &[], "".into()).await;
    let answer =
        tokio::time::timeout(Duration::from_secs(10), reader).await.expect("the stream has ended").unwrap();
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    for event in ["event: gateway", "event: access", "event: counters"] {
        assert!(text.contains(event), "{event}: {text}");
    }
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn a_folder_with_errors_is_served_as_soon_as_they_are_fixed() {
    let root = root();
    let file = root.path().join("shop/teapot.yaml");
    let sound = resource("teapot", true);
    fs::write(&file, sound.replace("priority: 100", "priority: many")).unwrap();
    let options = Options { start: true, ..options(root.path()) };
    let console = Console::with(root, options).await;
    let client = console.sign_in().await;
    let view = wait(&client, "error").await;
    assert_eq!(view["faults"][0]["path"], "spec.priority", "{view}");
    assert!(view["message"].as_str().unwrap().contains("as soon as"), "{view}");

    // Another error in place of it.
    fs::write(&file, &sound).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let view = client.get("/gateways/shop").await.good();
        if view["state"] == "error" && view["faults"].to_string().contains("teapot.wasm") {
            break;
        }
        assert!(Instant::now() < deadline, "{view}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It can be stopped, and started, while it waits.
    client.post("/gateways/shop/stop", Value::Null).await.good();
    wait(&client, "stopped").await;
    client.post("/gateways/shop/start", Value::Null).await.good();
    wait(&client, "error").await;
    client.post("/gateways/shop/start", Value::Null).await.good();
    wait(&client, "error").await;

    fs::write(console.folder("shop").join("modules/teapot.wasm"), answering(418)).unwrap();
    let view = wait(&client, "serving").await;
    assert_eq!(view["faults"], json!([]), "{view}");
    assert_eq!(get(view["address"].as_str().unwrap()).await, 418);
    let again = client.post("/gateways/shop/start", Value::Null).await;
    assert_eq!(again.refused(), (409, "gateway_running".into()));
    console.stop().await;
}

/// A module that reports two rules for every request, one of them with a value.
fn reporting() -> Vec<u8> {
    let report = "score=7,942100@ARGS:a%20b,941100@ARGS:q=s3cret,911100@REQUEST_METHOD";
    let text = format!(
        r#"(module
            (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "waf")
            (data (i32.const 32) "{report}")
            (func (export "_initialize"))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (call $set (i32.const 16) (i32.const 3) (i32.const 32) (i32.const {length})))
            (func (export "proxy_on_done") (param i32) (result i32) i32.const 1)
            (func (export "proxy_on_log") (param i32))
            (func (export "proxy_on_delete") (param i32)))"#,
        length = report.len()
    );
    wat::parse_str(text).unwrap()
}

/// A catalogue whose plug-in `guard` reports the rules that requests match.
fn catalogue(folder: &Path) -> Catalogue {
    let image = oci::Image {
        module: reporting(),
        spec: "apiVersion: 1.0.0\n".into(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: oci::Annotations::new(),
    };
    let mut layout = Layout::default();
    let digest = image.add_to(&mut layout, Shape::Higress, "1.0.0").unwrap().digest;
    let entry = json!({
        "name": "guard", "version": "1.0.0", "digest": digest, "titles": { "en": "Guard" }, "descriptions": {},
        "category": "security", "phase": "AUTHZ", "priority": 10, "failStrategy": "FAIL_CLOSE", "example": {},
        "reportsMatches": true,
    });
    let index = Index::new("1", None, vec![serde_json::from_value(entry).unwrap()]);
    Catalogue::write(folder, index, &[layout]).unwrap()
}

/// Waits until so many requests have been counted.
async fn wait_matches(client: &Client, requests: u64) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let view = client.get("/gateways/shop/plugins/guard/matches").await.good();
        if view["requests"] == requests {
            return view;
        }
        assert!(Instant::now() < deadline, "{view}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn matches_of_a_firewall_are_listed_with_exclusions_also_beside_the_process_that_serves() {
    let root = root();
    let folder = root.path().to_owned();
    let guard = resource("guard", true)
        .replace("file://modules/guard.wasm", "oci://registry.invalid/plugins/guard:1.0.0");
    fs::write(folder.join("shop/guard.yaml"), guard).unwrap();
    let place = tempfile::tempdir().unwrap();
    let users_file = folder.join(".users.json");
    users(&users_file);
    let mut options = Options { start: true, users: Some(users_file), ..options(&folder) };
    options.common.catalogue = Some(catalogue(place.path()));
    let console = Console::with(root, options).await;
    let client = console.sign_in_as("viewer").await;
    let serving = wait(&client, "serving").await;
    assert_eq!(wait_plugin(&client, "guard", "on").await["matches"], true);
    assert_eq!(wait_matches(&client, 0).await["matches"], json!([]));
    let address = serving["address"].as_str().unwrap();
    for _ in 0..2 {
        get(address).await;
    }
    let view = wait_matches(&client, 2).await;
    assert_eq!((&view["matched"], &view["others"]), (&json!(2), &json!(0)));
    assert_eq!(view["fields"], json!([{ "field": "allowed_methods", "requests": 2 }]));
    let exclude = |rule: u32, target: &str| {
        let why = "TODO: why this is harmless (2 requests, scores up to 7)";
        json!({ "rule": rule, "target": target, "path": "/hello", "why": why })
    };
    let rows: Vec<&Value> = view["matches"].as_array().unwrap().iter().map(|row| &row["exclude"]).collect();
    assert_eq!(rows, [&exclude(941_100, "ARGS:q"), &exclude(942_100, r"ARGS:/^a\x20b$/")]);
    let row = &view["matches"][0];
    assert_eq!((&row["requests"], &row["score"], &row["path"]), (&json!(2), &json!(7), &json!("/hello")));
    assert!(row["last"].as_str().unwrap().ends_with('Z'), "{row}");
    assert!(!view.to_string().contains("s3cret"), "values are not reported: {view}");
    let path = "/gateways/shop/plugins/guard/matches";
    assert_eq!(client.get(&format!("{path}?min_requests=3")).await.good()["matches"], json!([]));
    assert_eq!(client.get(&format!("{path}?min_requests=x")).await.refused().1, "request_invalid");
    let other = client.get("/gateways/shop/plugins/mine/matches").await;
    assert_eq!(other.refused(), (404, "matches_missing".into()));

    // A console of another process follows the one that serves: what was before, and what comes.
    let journal = Arc::new(Journal::default());
    let following = tokio::spawn({
        let (folder, journal) = (folder.join("shop"), Arc::clone(&journal));
        async move { gateway::socket::follow(&folder, &journal, || {}).await }
    });
    for requests in [2, 3] {
        let deadline = Instant::now() + Duration::from_secs(30);
        while journal.matches().matched != requests {
            assert!(Instant::now() < deadline, "{:?}", journal.matches());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        get(address).await;
    }
    following.abort();
    console.stop().await;
}
