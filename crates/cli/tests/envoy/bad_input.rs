//! What is wrong is told with its place, nothing is lost, and what ran before serves on.

use std::net::TcpListener;

use crate::served::{Folder, Served, head, refused, refused_with};

/// What is written, and what must be said of it.
fn mistakes() -> Vec<(&'static str, String, Vec<&'static str>)> {
    let spec = |name: &str, spec: &str| format!("{}spec:\n{spec}", head(name));
    vec![
        (
            "a.yaml",
            spec("a", "  url: workspace:stamp\n  priorty: 10\n"),
            vec!["spec.priorty: ", "did you mean `priority`?", "a.yaml:6:3"],
        ),
        (
            "b.yaml",
            spec("a", "  url: workspace:stamp\n  defaultConfig: { stamp: b }\n"),
            vec!["metadata.name: `a` is the name of", "b.yaml:3:"],
        ),
        (
            "a.yaml",
            spec("a", "  url: workspace:stamp\n  matchRules:\n  - config: { stamp: b }\n"),
            vec!["spec.matchRules[0]: has no condition", "a.yaml:7:5"],
        ),
        (
            "a.yaml",
            spec("a", "  url: workspace:stmp\n  defaultConfig: { stamp: b }\n"),
            vec!["spec.url: there is no plug-in `stmp`: ", "a.yaml:5:3"],
        ),
        (
            "a.yaml",
            spec("a", "  url: file://nowhere.wasm\n  defaultConfig: { stamp: b }\n"),
            vec!["spec.url: ", "nowhere.wasm: name a .wasm file", "a.yaml:5:3"],
        ),
        (
            "a.yaml",
            spec("a", "  url: stamp.wasm\n  defaultConfig: { stamp: b }\n"),
            vec!["spec.url: is a path: write file:// before it", "a.yaml:5:3"],
        ),
        (
            "a.yaml",
            spec("a", "  url: file://some.txt\n  defaultConfig: { stamp: b }\n"),
            vec!["spec.url: is not a WebAssembly module", "a.yaml:5:3"],
        ),
        (
            "a.yaml",
            spec("a", "  url: file://some.txt\n  sha256: '0123'\n  defaultConfig: { stamp: b }\n"),
            vec!["spec.sha256: is 0123, and the module has ", "a.yaml:6:3"],
        ),
        (
            "a.yaml",
            spec("a", "  url: workspace:stamp\n  defaultConfig: { stamp: '' }\n"),
            vec!["spec.defaultConfig.stamp: must not be empty", "a.yaml:6:"],
        ),
        ("a.yaml", "apiVersion: [".into(), vec!["invalid YAML: ", "a.yaml:2:1"]),
        (
            "routes.yaml",
            "routes:\n- ingress: a\n  service: unknown\n".into(),
            vec!["routes[0].service: is not a service of this file", "routes.yaml:3:3"],
        ),
    ]
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_mistake_is_refused_with_its_place_and_what_ran_before_serves_on() {
    let folder = Folder::new();
    folder.put("some.txt", "no module");
    folder.stamp("a", "AUTHN", 10, "a");
    let good = std::fs::read_to_string(folder.path().join("a.yaml")).unwrap();
    let mut served = Served::start(folder.path(), &[]);
    for (number, (file, text, expected)) in mistakes().into_iter().enumerate() {
        let before = served.output().len();
        folder.put(file, &text);
        served.wait_for("rejected; the previous configuration stays in force");
        let said = served.output()[before..].to_owned();
        for part in expected {
            assert!(said.contains(part), "{text}\ngave\n{said}\nwithout {part:?}");
        }
        let answer = served.get("any.example.com", "/");
        assert_eq!(answer.values("x-stamps-back"), ["a"], "{text}");
        if file != "a.yaml" {
            folder.remove(file);
        }
        // A repaired file is in force at once, which shows that nothing has got stuck.
        folder.put("a.yaml", &good.replace("stamp: a ", &format!("stamp: a{number} ")));
        served.wait_for("reloaded 1 plug-in");
        assert_eq!(served.get("any.example.com", "/").values("x-stamps-back"), [format!("a{number}")]);
        folder.put("a.yaml", &good);
        served.wait_for("reloaded 1 plug-in");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_folder_that_is_wrong_from_the_beginning_is_not_served() {
    for (file, text, expected) in mistakes() {
        let folder = Folder::new();
        folder.put("some.txt", "no module");
        folder.stamp("a", "AUTHN", 10, "a");
        folder.put(file, &text);
        let (code, said) = refused(folder.path(), &["--port", "0"]);
        assert_eq!(code, Some(1), "{text}\ngave\n{said}");
        for part in expected {
            assert!(said.contains(part), "{text}\ngave\n{said}\nwithout {part:?}");
        }
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_port_in_use_and_a_missing_folder_are_told() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = Folder::new();
    let (code, said) = refused(folder.path(), &["--port", &port]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}: ")), "{said}");
    let (code, said) = refused(&folder.path().join("nowhere"), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nowhere: "), "{said}");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn without_an_envoy_the_message_says_where_one_comes_from() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a");
    let (code, said) = refused_with(folder.path(), &["--port", "0"], &[("ENVOY", "/nonexistent/envoy")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ENVOY=/nonexistent/envoy does not run"), "{said}");
}
