//! Configurations by scopes.

use std::fs;

use hyper::Method;
use serde_json::{Value, json};

use crate::support::Console;

const PATH: &str = "/gateways/shop/plugins/mine/configuration";

#[tokio::test]
async fn a_configuration_is_saved_with_its_comments() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let read = client.get(PATH).await.good();
    assert_eq!(read["scopes"][0]["text"], "# the words\nwords: [a] # two\n");
    let tag = read["etag"].as_str().unwrap();
    let scopes = json!({ "scopes": [
        { "key": "gateway", "kind": "gateway", "match": {}, "enabled": true, "text": "# the words\nwords: [a, b] # two\n" },
        { "key": "new-1", "match": { "domain": ["a.com"] }, "enabled": true, "text": "words: [c] # of a\n" },
    ] });
    let check = client.post(&format!("{PATH}/check"), scopes.clone()).await.good();
    assert_eq!(check["mistakes"], json!([]));
    assert!(check["after"].as_str().unwrap().contains("words: [c] # of a"), "{check}");
    assert_eq!(check["before"], fs::read_to_string(console.folder("shop").join("mine.yaml")).unwrap());
    let saved = client.json(Method::PUT, PATH, Some(tag), scopes.clone()).await.good();
    assert_eq!(
        (&saved["scopes"][1]["kind"], &saved["scopes"][1]["match"]["domain"]),
        (&json!("domain"), &json!(["a.com"]))
    );
    assert_eq!(fs::read_to_string(console.folder("shop").join("mine.yaml")).unwrap(), check["after"]);
    assert_eq!(client.card("shop", "mine").await["enabled"], false, "it stays as it was");
    let late = client.json(Method::PUT, PATH, Some(tag), scopes).await;
    assert_eq!(late.refused(), (412, "changed_meanwhile".into()));
}

#[tokio::test]
async fn mistakes_are_at_their_line_and_nothing_is_saved() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let tag = client.etag("shop", "mine").await;
    let gateway =
        |text: &str| json!({ "scopes": [{ "key": "gateway", "match": {}, "enabled": true, "text": text }] });
    let before = fs::read_to_string(console.folder("shop").join("mine.yaml")).unwrap();
    for (text, line) in [("a: 1\nb: [\n", 3), ("- a\n", 1), ("a: 1\n---\nb: 1\n", 3)] {
        let check = client.post(&format!("{PATH}/check"), gateway(text)).await.good();
        assert_eq!(check["mistakes"][0]["line"], line, "{text}: {check}");
        assert_eq!(check["mistakes"][0]["scope"], "gateway");
        let refused = client.json(Method::PUT, PATH, Some(&tag), gateway(text)).await;
        assert_eq!(refused.refused(), (422, "configuration_invalid".into()));
        assert_eq!(refused.json()["mistakes"][0]["severity"], "error");
    }
    let both = json!({ "scopes": [
        { "key": "gateway", "match": {}, "enabled": true, "text": "a: [\n" },
        { "key": "new-1", "match": {}, "enabled": true, "text": "a: 1" },
        { "key": "new-2", "match": { "domain": ["a.com"] }, "enabled": true, "text": "a: 1" },
    ] });
    let check = client.post(&format!("{PATH}/check"), both).await.good();
    let found: Vec<_> = check["mistakes"].as_array().unwrap().iter().collect();
    let of: Vec<_> = found.iter().map(|mistake| mistake["scope"].as_str().unwrap()).collect();
    assert_eq!(of, ["gateway", "new-1"], "each scope is checked by itself: {check}");
    assert_eq!((&found[0]["own"], &found[0]["code"]), (&json!(false), &Value::Null), "invalid YAML: {check}");
    assert_eq!((&found[1]["own"], &found[1]["code"]), (&json!(false), &json!("condition_missing")));
    assert_eq!(check["before"], check["after"], "there is no file with such scopes");
    for body in [
        json!({ "scopes": [] }),
        json!({ "scopes": [{ "key": "new-1", "match": {}, "enabled": true, "text": "" }] }),
        json!({ "scopes": [
            { "key": "gateway", "enabled": true, "text": "" }, { "key": "gateway", "enabled": true, "text": "" }
        ] }),
    ] {
        assert_eq!(
            client.json(Method::PUT, PATH, Some(&tag), body).await.refused(),
            (422, "request_invalid".into())
        );
    }
    let empty = json!({ "scopes": [
        { "key": "gateway", "enabled": true, "text": "" }, { "key": "new-1", "match": {}, "enabled": true, "text": "a: 1" }
    ] });
    assert_eq!(
        client.json(Method::PUT, PATH, Some(&tag), empty).await.refused(),
        (422, "configuration_invalid".into())
    );
    assert_eq!(fs::read_to_string(console.folder("shop").join("mine.yaml")).unwrap(), before);
}

#[tokio::test]
async fn viewers_do_not_see_secrets_anywhere() {
    let console = Console::with_users().await;
    let admin = console.sign_in_as("admin").await;
    let secret = "s3cr3t-value";
    let scopes = json!({ "scopes": [
        { "key": "gateway", "match": {}, "enabled": true, "text": format!("api_key: {secret} # x\nother: 1\n") }
    ] });
    let tag = admin.etag("shop", "mine").await;
    admin.json(Method::PUT, PATH, Some(&tag), scopes).await.good();
    let viewer = console.sign_in_as("viewer").await;
    let history = viewer.get("/gateways/shop/history").await.good();
    let id = history["entries"][0]["id"].as_str().unwrap().to_owned();
    let paths = [
        PATH.to_owned(),
        format!("/gateways/shop/history/{id}"),
        "/gateways/shop/plugins/mine/export?for=higress".to_owned(),
        "/gateways/shop/plugins/mine".to_owned(),
        "/gateways/shop/plugins".to_owned(),
        "/gateways/shop/audit".to_owned(),
        "/gateways/shop/live".to_owned(),
    ];
    for path in paths {
        let seen = viewer.get(&path).await.good().to_string();
        assert!(!seen.contains(secret), "{path}: {seen}");
    }
    let request = json!({ "method": "GET", "url": "/" });
    assert!(!viewer.post("/gateways/shop/explain", request).await.good().to_string().contains(secret));
    assert!(admin.get(PATH).await.good().to_string().contains(secret), "whoever configures sees them");
    let masked = viewer.get(PATH).await.good();
    assert_eq!(masked["scopes"][0]["text"], "api_key: \"<hidden>\" # x\nother: 1\n");
}

#[tokio::test]
async fn a_command_line_of_curl_is_a_request() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let read = client
        .post("/gateways/shop/curl", json!({ "text": "curl -X PUT http://a.com/b -d x=1" }))
        .await
        .good();
    assert_eq!(
        (&read["method"], &read["url"], &read["body"]),
        (&json!("PUT"), &json!("http://a.com/b"), &json!("x=1"))
    );
    let refused = client.post("/gateways/shop/curl", json!({ "text": "rm -rf /" })).await;
    assert_eq!(refused.refused(), (422, "curl_invalid".into()));
}

#[tokio::test]
async fn a_request_is_explained_without_being_sent() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let request = json!({ "method": "GET", "url": "http://a.com/x", "headers": [] });
    let explained = client.post("/gateways/shop/explain", request.clone()).await.good();
    assert_eq!(
        (&explained["plugins"][0]["id"], &explained["plugins"][0]["reason"]),
        (&json!("mine"), &json!("disabled"))
    );
    let tag = client.etag("shop", "mine").await;
    let path = "/gateways/shop/plugins/mine/enabled";
    client.json(Method::PUT, path, Some(&tag), json!({ "enabled": true })).await.good();
    let explained = client.post("/gateways/shop/explain", request).await.good();
    assert_eq!(
        (&explained["plugins"][0]["scope"], &explained["plugins"][0]["runs"]),
        (&json!("gateway"), &json!(true))
    );
    for request in [json!({ "method": "G T", "url": "/" }), json!({ "method": "GET", "url": "ftp://a" })] {
        assert_eq!(
            client.post("/gateways/shop/explain", request).await.refused(),
            (422, "request_invalid".into())
        );
    }
    let images = client.post("/gateways/shop/images", json!({ "reference": "not an image" })).await;
    assert_eq!(images.refused(), (422, "image_invalid".into()));
    let images =
        client.post("/gateways/shop/images", json!({ "reference": "oci://127.0.0.1:1/a/b:1" })).await;
    assert_eq!(images.refused(), (422, "image_unreachable".into()));
    let _: Value = client.get("/openapi.json").await.good();
}
