//! Plug-ins run in order of stage, priority and name, and in reverse for responses.

use crate::served::{Folder, Served, get};

/// One in each stage, with priorities that have nothing to do with stages, and two that only their names tell apart.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.stamp("a-default", "UNSPECIFIED_PHASE", 900, "default-900");
    folder.stamp("b-stats", "STATS", -5, "stats");
    folder.stamp("c-authn-low", "AUTHN", 10, "authn-10");
    folder.stamp("d-authn-high", "AUTHN", 320, "authn-320");
    folder.stamp("e-authz", "AUTHZ", 1, "authz");
    folder.stamp("g-equal", "UNSPECIFIED_PHASE", 10, "g");
    folder.stamp("f-equal", "UNSPECIFIED_PHASE", 10, "f");
    folder
}

fn check(args: &[&str], expected: &[&str]) {
    let folder = folder();
    let served = Served::start(folder.path(), args);
    let answer = served.get("any.example.com", "/");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.seen("x-stamps"), expected);
    let back: Vec<&str> = expected.iter().rev().copied().collect();
    assert_eq!(answer.values("x-stamps-back"), back);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn the_order_of_mse_has_authorization_first() {
    check(&[], &["authz", "authn-320", "authn-10", "stats", "default-900", "f", "g"]);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn the_order_of_istio_has_authentication_first() {
    let order = ["authn-320", "authn-10", "authz", "stats", "default-900", "f", "g"];
    check(&["--stage-order", "istio"], &order);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn refusals_of_later_plug_ins_have_cors_headers() {
    let folder = Folder::new();
    let resource = |name: &str, phase: &str, config: &str| {
        format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name} }}\n\
             spec: {{ url: 'workspace:{name}', phase: {phase}, defaultConfig: {config} }}\n"
        )
    };
    let cors = resource("cors", "AUTHZ", "{ allow_origins: ['https://www.example.com'] }");
    let block = resource("request-block", "AUTHN", "{ block_urls: [secret] }");
    folder.put("plugins.yaml", &format!("{cors}---\n{block}"));
    let origin = [("origin", "https://www.example.com")];
    for (order, expected) in [("mse", vec!["https://www.example.com"]), ("istio", vec![])] {
        let served = Served::start(folder.path(), &["--stage-order", order]);
        let answer = get(served.address, "any.example.com", "/secret", &origin);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.values("access-control-allow-origin"), expected, "{order}");
    }
}
