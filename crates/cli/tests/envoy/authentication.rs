//! Several authentication plug-ins for one request, in both orders of stages.

use crate::served::{Answer, Folder, Served, get};

/// Two plug-ins with keys of their own; `second` runs after `first` on Istio's order, and before it on MSE's.
fn served(order: &str, second_if_authenticated: &str) -> (Folder, Served) {
    let folder = Folder::new();
    let resource = |name: &str, phase: &str, config: &str| {
        format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name} }}\n\
             spec: {{ url: 'workspace:key-auth', phase: {phase}, defaultConfig: {config} }}\n"
        )
    };
    let first = resource(
        "first",
        "AUTHN",
        "{ keys: [x-first], consumers: [{ name: alice, credential: a }, { name: bob, credential: b }] }",
    );
    let second = resource(
        "second",
        "AUTHZ",
        &format!(
            "{{ keys: [x-second], if_authenticated: {second_if_authenticated}, consumers: [{{ name: carol, credential: c }}] }}"
        ),
    );
    folder.put("plugins.yaml", &format!("{first}---\n{second}"));
    let served = Served::start(folder.path(), &["--stage-order", order]);
    (folder, served)
}

fn ask(served: &Served, headers: &[(&str, &str)]) -> Answer {
    get(served.address, "any.example.com", "/", headers)
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_request_needs_the_credentials_of_each_and_the_last_consumer_stands() {
    for (order, last) in [("istio", "carol"), ("mse", "alice")] {
        let (_folder, served) = served(order, "require");
        let forged = ("x-mse-consumer", "root");
        let both = ask(&served, &[("x-first", "a"), ("x-second", "c"), forged]);
        assert_eq!(both.status, 200, "{order}: {both:?}");
        assert_eq!(both.seen("x-mse-consumer"), [last], "{order}");
        for credentials in [[("x-first", "a")], [("x-second", "c")], [("x-third", "a")]] {
            let one = ask(&served, &[credentials[0], forged, ("x-mse-consumer", "alice")]);
            assert_eq!(one.status, 401, "{order}: {credentials:?}: {one:?}");
        }
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn either_is_enough_if_the_second_skips_authenticated_requests() {
    let (_folder, served) = served("istio", "skip");
    let first = ask(&served, &[("x-first", "b"), ("x-mse-consumer", "root")]);
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.seen("x-mse-consumer"), ["bob"]);
    let forged = ask(&served, &[("x-mse-consumer", "bob"), ("x-second", "c")]);
    assert_eq!(forged.status, 401, "the first one needs a key: {forged:?}");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn the_consumer_of_a_plug_in_selects_the_rules_of_later_ones() {
    let folder = Folder::new();
    folder.put(
        "plugins.yaml",
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: key-auth }\n\
         spec: { url: 'workspace:key-auth', phase: AUTHN, defaultConfig: { keys: [k], consumers: [{ name: alice, credential: a }, \
         { name: bob, credential: b }] } }\n---\n\
         apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: request-block }\n\
         spec: { url: 'workspace:request-block', defaultConfig: { _rules_: [{ _match_consumer_: [bob], block_urls: [secret] }] } }\n",
    );
    let served = Served::start(folder.path(), &[]);
    let status = |key: &str| {
        get(served.address, "any.example.com", "/secret", &[("k", key), ("x-mse-consumer", "alice")]).status
    };
    assert_eq!((status("a"), status("b")), (200, 403));
}
