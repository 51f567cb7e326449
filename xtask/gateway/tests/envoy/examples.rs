//! The examples that the README walks through do what it says.

use std::fs;

use crate::served::{Answer, Folder, Served, get, root};

/// Serves a copy: the examples themselves may be served by somebody at the same time.
fn example(name: &str) -> (Folder, Served) {
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
fn four_stages_are_met_in_order_and_in_reverse() {
    let (_folder, served) = example("stages");
    let answer = served.get("any.example.com", "/");
    assert_eq!(answer.seen("x-stamps"), ["authz", "authn-20", "authn-10", "stats", "default"]);
    assert_eq!(answer.values("x-stamps-back"), ["default", "stats", "authn-10", "authn-20", "authz"]);
}
