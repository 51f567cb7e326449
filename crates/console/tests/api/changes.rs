//! Adding, editing, switching, moving and deleting plug-ins, and who did it.

use std::fs;
use std::process::Command;

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Client, Console, resource, root};

fn addition(name: &str) -> Value {
    json!({
        "name": name, "description": "Does things", "language": "Rust", "stage": "default", "priority": 10,
        "module": { "image": "oci://registry.example.com/plugins/x:1.0.0" }, "enabled": false,
    })
}

async fn switch(client: &Client, plugin: &str, on: bool) -> Value {
    let tag = client.etag("shop", plugin).await;
    let path = format!("/gateways/shop/plugins/{plugin}/enabled");
    client.json(Method::PUT, &path, Some(&tag), json!({ "enabled": on })).await.good()
}

#[tokio::test]
async fn a_plug_in_is_added_switched_edited_and_deleted_by_the_rules() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let card = client.post("/gateways/shop/plugins", addition("checks")).await;
    assert_eq!(card.status, 201);
    let card = card.good();
    assert_eq!(
        (&card["kind"], &card["enabled"], &card["category"]),
        (&json!("custom"), &json!(false), &json!("custom"))
    );
    assert!(console.folder("shop").join("checks.yaml").is_file());

    let on = switch(&client, "checks", true).await;
    assert_eq!(on["enabled"], true);
    assert_eq!(
        (&on["blocked"]["edit"]["code"], &on["blocked"]["delete"]["code"]),
        (&json!("plugin_enabled"), &json!("plugin_enabled"))
    );
    let tag = on["etag"].as_str().unwrap();
    let path = "/gateways/shop/plugins/checks";
    let edit = json!({ "description": "Does more", "priority": 20 });
    assert_eq!(
        client.json(Method::PATCH, path, Some(tag), edit.clone()).await.refused(),
        (409, "plugin_enabled".into())
    );
    assert_eq!(
        client.json(Method::DELETE, path, Some(tag), Value::Null).await.refused(),
        (409, "plugin_enabled".into())
    );

    let off = switch(&client, "checks", false).await;
    let tag = off["etag"].as_str().unwrap();
    let card = client.json(Method::PATCH, path, Some(tag), edit).await.good();
    assert_eq!((&card["description"]["en"], &card["priority"]), (&json!("Does more"), &json!(20)));
    let tag = card["etag"].as_str().unwrap();
    assert_eq!(client.json(Method::DELETE, path, Some(tag), Value::Null).await.status, 204);
    assert!(!console.folder("shop").join("checks.yaml").exists());
    assert_eq!(client.get(path).await.refused(), (404, "plugin_unknown".into()));

    let audit = client.get("/gateways/shop/audit").await.good();
    let actions: Vec<&str> =
        audit.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["delete", "edit", "disable", "enable", "add"], "refusals are no changes");
    assert!(
        audit.as_array().unwrap().iter().all(|entry| entry["who"] == "tester" && entry["plugin"] == "checks")
    );
}

#[tokio::test]
async fn every_field_of_an_addition_is_checked_and_all_problems_are_reported_at_once() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    for (field, value, status, code) in [
        ("name", json!("mine"), 409, "name_taken"),
        ("name", json!("../evil"), 422, "name_invalid"),
        ("name", json!("UPPER"), 422, "name_invalid"),
        ("name", json!(""), 422, "name_invalid"),
        ("description", json!(" "), 422, "description_missing"),
        ("language", json!(""), 422, "language_missing"),
        ("priority", json!(15), 422, "priority_not_multiple"),
        ("module", Value::Null, 422, "module_missing"),
        ("module", json!({ "upload": "0".repeat(32) }), 422, "upload_unknown"),
        ("module", json!({ "upload": "../../mine" }), 422, "upload_unknown"),
        ("module", json!({ "image": "not an image" }), 422, "image_invalid"),
        ("module", json!({ "builtin": "none" }), 404, "plugin_unknown"),
    ] {
        let mut body = addition("checks");
        body[field] = value.clone();
        let refused = client.post("/gateways/shop/plugins", body).await;
        assert_eq!(refused.refused(), (status, code.to_owned()), "{field}: {value}");
        assert_eq!(refused.json()["field"], field, "{value}");
    }
    for body in [json!([]), json!({}), json!({ "name": "checks", "unknown": 1 })] {
        assert_eq!(client.post("/gateways/shop/plugins", body).await.refused().1, "request_invalid");
    }
    let mut body = addition("mine");
    (body["description"], body["priority"]) = (json!(""), json!(5));
    let check = client.post("/gateways/shop/plugins/check", body).await.good();
    let codes: Vec<&str> = check["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["name_taken", "priority_not_multiple", "description_missing"]);
    let check = client.post("/gateways/shop/plugins/check", addition("checks")).await.good();
    let order: Vec<_> =
        check["order"].as_array().unwrap().iter().map(|entry| (&entry["id"], &entry["added"])).collect();
    assert_eq!(order, [(&json!("mine"), &Value::Null), (&json!("checks"), &json!(true))]);
    assert_eq!(
        fs::read_dir(console.folder("shop")).unwrap().flatten().filter(|file| file.path().is_file()).count(),
        1
    );
}

#[tokio::test]
async fn of_two_who_save_the_second_is_told() {
    let console = Console::start().await;
    let (first, tag) = {
        let client = console.sign_in().await;
        let tag = client.etag("shop", "mine").await;
        (client, tag)
    };
    let path = "/gateways/shop/plugins/mine";
    let edit = |text: &str| json!({ "description": text });
    first.json(Method::PATCH, path, Some(&tag), edit("first")).await.good();
    let second = first.json(Method::PATCH, path, Some(&tag), edit("second")).await;
    assert_eq!(second.refused(), (412, "changed_meanwhile".into()));
    assert_eq!(
        first.json(Method::PATCH, path, None, edit("third")).await.refused(),
        (428, "if_match_missing".into())
    );
    // A change by hand counts as well.
    let tag = first.etag("shop", "mine").await;
    let file = console.folder("shop").join("mine.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}# by hand\n")).unwrap();
    for (method, path, body) in [
        (Method::PATCH, path, edit("fourth")),
        (Method::DELETE, path, Value::Null),
        (Method::PUT, "/gateways/shop/plugins/mine/enabled", json!({ "enabled": true })),
        (Method::POST, "/gateways/shop/plugins/mine/versions/rollback", Value::Null),
        (Method::POST, "/gateways/shop/plugins/mine/move", json!({ "before": "x" })),
        (
            Method::POST,
            "/gateways/shop/plugins/mine/versions",
            json!({ "module": { "image": "oci://registry.example.com/plugins/x:2" } }),
        ),
    ] {
        let refused = first.json(method, path, Some(&tag), body).await;
        assert_eq!(refused.refused(), (412, "changed_meanwhile".into()), "{path}");
    }
    assert!(fs::read_to_string(&file).unwrap().ends_with("# by hand\n"));
    let many = (0..8).map(|number| {
        let (client, path) = (first.clone(), path);
        async move {
            let tag = client.etag("shop", "mine").await;
            client
                .json(Method::PATCH, path, Some(&tag), json!({ "title": format!("T{number}") }))
                .await
                .status
        }
    });
    let statuses = futures_util::future::join_all(many).await;
    assert!(statuses.iter().any(|status| status.is_success()), "{statuses:?}");
    assert!(statuses.iter().all(|status| status.is_success() || *status == 412), "{statuses:?}");
}

#[tokio::test]
async fn a_version_of_an_image_is_released_and_taken_back() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    client.post("/gateways/shop/plugins", addition("checks")).await.good();
    switch(&client, "checks", true).await;
    let path = "/gateways/shop/plugins/checks/versions";
    let back = format!("{path}/rollback");
    let tag = client.etag("shop", "checks").await;
    let none = client.json(Method::POST, &back, Some(&tag), Value::Null).await;
    assert_eq!(none.refused(), (409, "no_previous_version".into()));
    let module = json!({ "module": { "image": "oci://registry.example.com/plugins/x:2.0.0" } });
    let card = client.json(Method::POST, path, Some(&tag), module).await.good();
    assert_eq!(
        (&card["version"], &card["rollback"], &card["enabled"]),
        (&json!("2.0.0"), &json!(true), &json!(true))
    );
    let tag = card["etag"].as_str().unwrap();
    let card = client.json(Method::POST, &back, Some(tag), Value::Null).await.good();
    assert_eq!(card["version"], "1.0.0");
}

#[tokio::test]
async fn a_plug_in_is_moved_within_its_stage() {
    let root = root();
    for (name, priority) in [("first", 300), ("third", 50)] {
        let text = resource(name, true).replace("priority: 100", &format!("priority: {priority}"));
        fs::write(root.path().join(format!("shop/{name}.yaml")), text).unwrap();
    }
    fs::write(root.path().join("shop/stats.yaml"), resource("stats", true).replace("AUTHN", "STATS"))
        .unwrap();
    let options = crate::support::options(root.path());
    let console = Console::with(root, options).await;
    let client = console.sign_in().await;
    let names = |order: &Value| -> Vec<String> {
        order["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&client.get("/gateways/shop/order").await.good()), ["first", "mine", "third", "stats"]);
    let place = |body: Value| {
        let client = client.clone();
        async move {
            let tag = client.etag("shop", "mine").await;
            client.json(Method::POST, "/gateways/shop/plugins/mine/move", Some(&tag), body).await
        }
    };
    assert_eq!(names(&place(json!({ "before": "first" })).await.good()), ["mine", "first", "third", "stats"]);
    assert_eq!(names(&place(json!({ "after": "third" })).await.good()), ["first", "third", "mine", "stats"]);
    assert_eq!(names(&place(json!({ "after": "first" })).await.good()), ["first", "mine", "third", "stats"]);
    for body in [
        json!({}),
        json!({ "before": "stats" }),
        json!({ "before": "mine" }),
        json!({ "before": "first", "after": "third" }),
    ] {
        assert_eq!(place(body.clone()).await.refused(), (422, "move_invalid".into()), "{body}");
    }
    let istio = client.get("/gateways/shop/order?order=istio").await.good();
    assert_eq!((&istio["order"], &istio["inForce"]), (&json!("istio"), &json!("mse")));
    assert_eq!(client.get("/gateways/shop/order?order=x").await.refused().1, "request_invalid");
    let card = client.card("shop", "mine").await;
    assert_eq!(card["priority"].as_i64().unwrap() % 10, 0);
}

#[tokio::test]
async fn a_custom_plug_in_is_copied_to_another_gateway_with_its_module() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let text = fs::read_to_string(console.folder("shop").join("mine.yaml")).unwrap();
    fs::write(console.folder("shop").join("other.yaml"), text.replace("name: mine", "name: other")).unwrap();
    let copy = client.post("/gateways/shop/plugins/other/copy", json!({ "gateway": "blog" })).await;
    assert_eq!(copy.status, 201);
    assert_eq!(copy.good()["enabled"], false);
    assert!(console.folder("blog").join("modules/other.wasm").is_file());
    let again = client.post("/gateways/shop/plugins/other/copy", json!({ "gateway": "blog" })).await;
    assert_eq!(again.refused(), (409, "name_taken".into()));
}

#[tokio::test]
async fn a_resource_of_another_control_plane_is_changed_in_its_file() {
    let root = root();
    let text = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: theirs, namespace: a }\n\
                spec: { url: 'oci://registry.example.com/x:1' }\n";
    fs::write(root.path().join("shop/theirs.yaml"), text).unwrap();
    let options = crate::support::options(root.path());
    let console = Console::with(root, options).await;
    let client = console.sign_in().await;
    let card = client.card("shop", "theirs").await;
    let tag = card["etag"].as_str().unwrap();
    assert_eq!(card["blocked"]["disable"]["code"], "plugin_elsewhere");
    let path = "/gateways/shop/plugins/theirs/enabled";
    let refused = client.json(Method::PUT, path, Some(tag), json!({ "enabled": false })).await;
    assert_eq!(refused.refused(), (409, "plugin_elsewhere".into()));
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(!message.contains("cargo xtask"), "{message}");
}

#[tokio::test]
async fn faults_of_files_are_shown_and_the_rest_can_be_used() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    fs::write(console.folder("shop").join("broken.yaml"), "a: [\n").unwrap();
    let plugins = client.get("/gateways/shop/plugins").await.good();
    assert_eq!(
        (&plugins["faults"][0]["file"], plugins["plugins"].as_array().unwrap().len()),
        (&json!("broken.yaml"), 1)
    );
    switch(&client, "mine", true).await;
    let explained = client.post("/gateways/shop/explain", json!({ "method": "GET", "url": "/" })).await;
    assert_eq!(explained.refused(), (409, "folder_faulty".into()));
}

#[tokio::test]
async fn changes_are_commits_of_whoever_signed_in() {
    let console = Console::with_users().await;
    let folder = console.folder("shop");
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(&folder).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["config", "user.name", "Machine"]);
    git(&["config", "user.email", "machine@example.com"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "First"]);
    let operator = console.sign_in_as("operator").await;
    switch(&operator, "mine", true).await;
    assert_eq!(git(&["log", "-1", "--format=%an %cn %s"]), "operator Machine Enable mine");
    assert_eq!(git(&["status", "--porcelain"]), "");
    let history = operator.get("/gateways/shop/history?plugin=mine").await.good();
    assert_eq!((&history["git"], &history["entries"][0]["who"]), (&json!(true), &json!("operator")));
    let id = history["entries"][0]["id"].as_str().unwrap();
    let change = operator.get(&format!("/gateways/shop/history/{id}")).await.good();
    assert!(
        change["before"].as_str().unwrap().contains("configDisable") || change["before"] != change["after"]
    );
    let revert = format!("/gateways/shop/history/{id}/revert");
    assert_eq!(operator.post(&revert, Value::Null).await.refused().1, "forbidden");
    let admin = console.sign_in_as("admin").await;
    admin.json(Method::POST, &revert, None, Value::Null).await.good();
    assert_eq!(admin.card("shop", "mine").await["enabled"], false);
    assert_eq!(git(&["log", "-1", "--format=%an %s"]), "admin Revert \"Enable mine\"");
    let again = admin.json(Method::POST, &revert, None, Value::Null).await;
    assert_eq!(again.refused(), (409, "revert_conflicts".into()));
    let unknown = admin.json(Method::POST, "/gateways/shop/history/x/revert", None, Value::Null).await;
    assert_eq!(unknown.refused(), (404, "history_unknown".into()));
}

#[tokio::test]
async fn a_plug_in_is_exported_for_each_control_plane() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    for (plane, kind) in [
        ("higress", "extensions.higress.io"),
        ("istio", "extensions.istio.io"),
        ("envoy-gateway", "EnvoyExtensionPolicy"),
    ] {
        let exported = client.get(&format!("/gateways/shop/plugins/mine/export?for={plane}")).await.good();
        let text = exported["text"].as_str().unwrap();
        assert!(text.contains(kind) && !text.contains("configDisable") && text.contains("words"), "{text}");
        let notes = exported["notes"].to_string();
        assert!(notes.contains("cannot fetch") && notes.contains("disabled here"), "{notes}");
    }
    assert_eq!(client.get("/gateways/shop/plugins/mine/export?for=x").await.refused().1, "request_invalid");
    assert_eq!(client.get("/gateways/shop/plugins/mine/export").await.refused().1, "request_invalid");
}

#[tokio::test]
async fn a_gateway_that_is_not_running_cannot_be_stopped() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let refused = client.post("/gateways/shop/stop", Value::Null).await;
    assert_eq!(refused.refused(), (409, "gateway_stopped".into()));
    let view = client.get("/gateways/shop").await.good();
    assert_eq!(
        (&view["state"], &view["plugins"], &view["role"]),
        (&json!("stopped"), &json!(1), &json!("admin"))
    );
}

#[tokio::test]
async fn without_an_audit_log_nothing_is_changed() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let folder = console.folder("shop");
    // A folder in place of the file cannot be written to, by root neither.
    fs::create_dir_all(folder.join(".portcullis/audit.jsonl")).unwrap();
    let before = fs::read_to_string(folder.join("mine.yaml")).unwrap();
    let tag = client.etag("shop", "mine").await;
    let path = "/gateways/shop/plugins/mine/enabled";
    let refused = client.json(Method::PUT, path, Some(&tag), json!({ "enabled": true })).await;
    assert_eq!(refused.refused(), (500, "audit_unwritable".into()));
    assert_eq!(fs::read_to_string(folder.join("mine.yaml")).unwrap(), before);
}
