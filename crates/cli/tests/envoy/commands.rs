//! What the other commands say of a folder, and do to it, while it is served.

use crate::fetched::module;
use crate::served::{Folder, Served, asked, head, run};

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn requests_go_to_the_gateway_that_serves_and_traces_to_one_of_their_own() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "of-a");
    folder.stamp("b", "AUTHZ", 10, "of-b");
    let mut served = Served::start(folder.path(), &["--stage-order", "istio"]);
    let (code, said) = asked(folder.path(), &["request", "/asked", "-i", "-H", "host: h", "--folder"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("HTTP/1.1 200") && said.contains("x-stamps-back: of-a"), "{said}");
    served.wait_for("GET h/asked");
    // In the same order, and unseen by the gateway.
    let (code, said) = asked(folder.path(), &["request", "/traced", "--trace", "-H", "host: h", "--folder"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("the upstream answered 200"), "{said}");
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text} in {said}"));
    assert!(place(" 1 a (by spec.defaultConfig)") < place(" 2 b (by spec.defaultConfig)"), "{said}");
    assert_eq!(served.get("h", "/last").status, 200);
    served.wait_for("GET h/last");
    assert!(!served.output().contains("h/traced"), "{}", served.output());
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn explain_shows_what_a_rule_has_from_the_global_fields_as_the_gateway_does_it() {
    let folder = Folder::new();
    let rules = "matchRules: [{ domain: [own.com], config: { stamp: own } }, { domain: ['*.com'] }]";
    let spec = format!("spec: {{ url: 'workspace:stamp', defaultConfig: {{ stamp: global }}, {rules} }}\n");
    folder.put("a.yaml", &(head("a") + &spec));
    let served = Served::start(folder.path(), &[]);
    for (host, stamp, said) in [
        ("own.com", "own", r#"spec.matchRules[0]: {"stamp":"own"}"#),
        (
            "h.com",
            "global",
            "spec.matchRules[1], with stamp of the global fields:\n  {\n    \"stamp\": \"global\"\n  }\n",
        ),
        ("h", "global", r#"default: {"stamp":"global"}"#),
    ] {
        assert_eq!(served.get(host, "/").values("x-stamps-back"), [stamp], "{host}");
        let (code, explained) = asked(folder.path(), &["explain", "--host", host]);
        assert_eq!(code, Some(0), "{explained}");
        assert!(explained.contains(said), "{said} in\n{explained}");
    }
}

#[test]
#[ignore = "compiles a plug-in for its schema: cargo xtask test"]
fn explain_hides_what_the_schema_of_a_plug_in_calls_secret() {
    let folder = Folder::new();
    let config = "{ http_service: { endpoint: { service_name: auth.static, service_port: 80, path_prefix: /auth }, \
                  authorization_request: { headers_to_add: { x-caller: abcdef-caller } } } }";
    let spec = |more: &str| head("a") + &format!("spec: {{ url: 'workspace:ext-auth', {more} }}\n");
    for (more, host) in [
        (format!("defaultConfig: {config}"), "h"),
        (format!("matchRules: [{{ domain: [own.com], config: {config} }}]"), "own.com"),
    ] {
        folder.put("a.yaml", &spec(&more));
        // Neither the name of the field nor that of the header tells that it is secret.
        for shape in [&["explain", "--host", host][..], &["explain", "--host", host, "--json"]] {
            let (code, said) = asked(folder.path(), shape);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("x-caller") && said.contains("<hidden>"), "{shape:?}: {said}");
            assert!(said.contains("/auth") && !said.contains("abcdef"), "{shape:?}: {said}");
        }
        let (code, said) = asked(folder.path(), &["explain", "--host", host, "--show-secrets"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("abcdef-caller"), "{said}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn the_marketplaces_commands_work_while_it_serves() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a");
    let mut served = Served::start(folder.path(), &[]);
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let file = place.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let module = file("mine.wasm", &module());
    let [first, second] = ["one", "two"].map(|stamp| file(stamp, format!("stamp: {stamp}").as_bytes()));
    let wrong = file("wrong", b"{stamp: x}\n---\n{stamp: y}\n");
    let plugin = |args: &[&str]| {
        let all = [&["plugin"], args, &["--folder", folder.path().to_str().unwrap()]].concat();
        run(&all, &[])
    };
    let done = |args: &[&str]| {
        let (code, said) = plugin(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
    };
    let about = ["--language", "Rust", "--description", "Leaves a stamp", "--stage", "stats"];
    done(&[&["add", "mine", "--enable", "--wasm", &module, "--config", &first], about.as_slice()].concat());
    served.wait_for("pipeline changed");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["one", "a"]);
    done(&["configure", "mine", &second]);
    served.wait_for("reloaded 1 plug-in");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["two", "a"]);
    for (args, expected) in [
        (&["configure", "mine", &wrong][..], "holds several documents"),
        (&["edit", "mine", "--priority", "20"], "is enabled and cannot be edited"),
        (&["delete", "mine"], "is enabled and cannot be deleted"),
        (&["show", "mien"], "did you mean `mine`?"),
    ] {
        let (code, said) = plugin(args);
        assert!(code != Some(0) && said.contains(expected), "{args:?}: {said}");
    }
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["two", "a"]);
    done(&["disable", "mine"]);
    served.wait_for("pipeline changed");
    done(&["edit", "mine", "--stage", "authz"]);
    done(&["enable", "mine"]);
    served.wait_for("pipeline changed");
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["a", "two"]);
    let (_, said) = plugin(&["list"]);
    assert!(said.find("authz").unwrap() < said.find("authn").unwrap(), "{said}");
    done(&["disable", "mine"]);
    served.wait_for("pipeline changed");
    done(&["delete", "mine"]);
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["a"]);
    assert!(!served.output().contains("error:"), "{}", served.output());
}
