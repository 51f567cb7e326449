//! The examples that the README walks through do what it says.

use std::fs;

use crate::fetched::module;
use crate::served::{Answer, Folder, Served, asked, get, head, refused, root};

/// Serves a copy: a developer may serve the examples themselves at the same time.
pub(crate) fn example(name: &str) -> (Folder, Served) {
    let folder = Folder::new();
    for entry in fs::read_dir(root().join("examples").join(name)).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            folder.put(&entry.file_name().to_string_lossy(), &fs::read_to_string(entry.path()).unwrap());
        }
    }
    let served = Served::start(folder.path(), &[]);
    (folder, served)
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_url_is_blocked_and_a_header_added() {
    let (_folder, served) = example("block");
    let blocked = served.get("any.example.com", "/docs/swagger.html");
    assert_eq!((blocked.status, blocked.body.as_str()), (403, "Not here."));
    let passed = served.get("any.example.com", "/docs");
    assert_eq!(passed.status, 200);
    assert_eq!(passed.seen("x-greeting"), ["hello"]);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn two_domains_have_rules_of_their_own() {
    let (_folder, served) = example("domains");
    let ask = |host: &str, path: &str, headers: &[(&str, &str)]| -> Answer {
        get(served.address, host, path, headers)
    };
    let shop = ask("shop.example.com", "/admin", &[]);
    assert_eq!((shop.status, shop.body.as_str()), (403, "The shop has no such page."));
    assert_eq!(ask("v1.api.example.com", "/admin", &[]).status, 200);
    assert_eq!(ask("v1.api.example.com", "/", &[("user-agent", "sqlmap")]).status, 404);
    assert_eq!(ask("shop.example.com", "/", &[("user-agent", "sqlmap")]).status, 200);
    assert_eq!(ask("other.example.com", "/admin", &[("user-agent", "sqlmap")]).status, 200);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn an_api_needs_keys_and_each_consumer_has_its_limit() {
    let (_folder, served) = example("api-keys");
    let ask = |path: &str, key: &str| get(served.address, "any.example.com", path, &[("x-api-key", key)]);
    assert_eq!(served.get("any.example.com", "/").status, 200);
    let missing = served.get("any.example.com", "/api/orders");
    assert_eq!(missing.status, 401);
    assert_eq!(missing.values("www-authenticate"), ["Key realm=\"MSE Gateway\""]);
    let alice = ask("/api/orders", "alice-has-a-secret");
    assert_eq!(alice.status, 200);
    assert_eq!(alice.seen("x-mse-consumer"), ["alice"]);
    assert_eq!(ask("/api/admin", "alice-has-a-secret").status, 200);
    assert_eq!(ask("/api/admin", "bob-has-another").status, 403);
    let statuses: Vec<u16> = (0..3).map(|_| ask("/api/orders", "bob-has-another").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn limits_count_in_the_service_that_the_routes_start() {
    let (folder, mut served) = example("limits");
    let ask = |served: &Served, user: &str| {
        let answer = get(served.address, "any.example.com", "/", &[("x-user", user)]);
        (answer.status, answer.values("x-ratelimit-remaining").join(","))
    };
    let answers = |served: &Served, user: &str| [(); 4].map(|()| ask(served, user));
    let passed = |left: &str| (200, left.to_owned());
    assert_eq!(answers(&served, "eve"), [passed("2"), passed("1"), passed("0"), (429, "0".into())]);
    assert_eq!(ask(&served, "dave"), passed("2"));
    // A change of the routes keeps the counts. Limitador does not report what is left.
    let routes = fs::read_to_string(folder.path().join("routes.yaml")).unwrap();
    folder.put("routes.yaml", &format!("{routes}- {{ name: other.static }}\n"));
    served.wait_for("routes changed");
    assert_eq!(ask(&served, "eve").0, 429);
    let limit = "descriptors[0].limit == ''api:limit_by_per_header:x-user:*:3/day''";
    let variables = "['descriptors[0].window', 'descriptors[0].key']";
    let limits = format!(
        "[{{ namespace: gateway, max_value: 3, seconds: 86400, conditions: ['{limit}'], variables: {variables} }}]"
    );
    let kind = format!("{{ kind: limitador, limits: {limits} }}");
    folder.put("routes.yaml", &routes.replace("{ kind: envoy }", &kind));
    served.wait_for("routes changed");
    assert_eq!(answers(&served, "eve").map(|(status, _)| status), [200, 200, 200, 429]);
    assert_eq!(ask(&served, "dave"), passed(""));
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn four_stages_are_met_in_order_and_in_reverse() {
    let (_folder, served) = example("stages");
    let answer = served.get("any.example.com", "/");
    assert_eq!(answer.seen("x-stamps"), ["authz", "authn-20", "authn-10", "stats", "default"]);
    assert_eq!(answer.values("x-stamps-back"), ["default", "stats", "authn-10", "authn-20", "authz"]);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_folder_is_served_from_within_by_every_name_of_it() {
    let folder = Folder::new();
    fs::write(folder.path().join("m.wasm"), module()).unwrap();
    let resource = |stamp: &str| {
        head("mine") + &format!("spec: {{ url: 'file://m.wasm', defaultConfig: {{ stamp: {stamp} }} }}\n")
    };
    for name in ["", ".", folder.path().to_str().unwrap()] {
        folder.put("a.yaml", &resource("one"));
        let mut served = Served::start_in(folder.path(), name);
        assert_eq!(served.get("h", "/").values("x-stamps-back"), ["one"], "{name}");
        folder.put("a.yaml", &resource("two"));
        // Who changed is named.
        served.wait_for("reloaded 1 plug-in in ");
        served.wait_for(" ms: mine");
        assert_eq!(served.get("h", "/").values("x-stamps-back"), ["two"], "{name}");
        // A log that is written into the folder changes all the time.
        let before = served.output().len();
        folder.put("serve.log", "x");
        folder.put("a.yaml", &resource("two").replace("spec", "spce"));
        served.wait_for("rejected; the previous configuration stays in force");
        folder.put("a.yaml", &resource("two"));
        served.wait_for("errors fixed: ");
        assert!(!served.output()[before..].contains("makes no difference"), "{}", served.output());
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn one_folder_too_high_is_told_from_an_empty_one() {
    let examples = root().join("examples");
    let (code, said) = refused(&examples, &["--port", "0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no plug-in resource in ") && said.contains("examples/block"), "{said}");
    for command in [&["explain", "--host", "h"][..], &["request", "/", "--folder"]] {
        let (code, said) = asked(&examples, command);
        assert!(code == Some(2) && said.contains("did you mean "), "{command:?}: {said}");
    }
    let empty = Folder::new();
    let served = Served::start(empty.path(), &[]);
    assert!(served.output().contains("plugin add request-block"), "{}", served.output());
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_service_that_a_plug_in_calls_and_routes_do_not_have_is_told_beforehand() {
    let folder = Folder::new();
    let endpoint = "endpoint: { service_name: auth.dns, path_prefix: / }";
    folder.put(
        "a.yaml",
        &(head("ext-auth")
            + &format!(
                "spec: {{ url: 'workspace:ext-auth', defaultConfig: {{ http_service: {{ {endpoint} }} }} }}\n"
            )),
    );
    let served = Served::start(folder.path(), &[]);
    let said = served.output();
    assert!(
        said.contains(
            "spec.defaultConfig.http_service.endpoint.service_name: is not a service of routes.yaml"
        ),
        "{said}"
    );
    assert!(said.contains("add `- { name: auth.dns, port: 80, address: … }`"), "{said}");
    drop(served);
    folder.put("routes.yaml", "services: [{ name: auth.dns }]\n");
    assert!(!Served::start(folder.path(), &[]).output().contains("is not a service of"));
}
