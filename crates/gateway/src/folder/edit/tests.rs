//! Disabled and enabled again, a text has the same bytes; in between, a cluster would not run it.

use resource::{Deployment, WasmPlugin};
use serde_json::json;

use super::*;

const HEAD: &str = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin # 种类\n";

/// Texts in the styles that operators and tools write.
fn texts() -> Vec<String> {
    let block = "metadata:\n  # who\n  name: p   # p\nspec:\n  url: file://p.wasm\n";
    let annotated =
        "metadata:\n  name: p\n  annotations:\n    a/b: '1' # one\nspec:\n    # deeper\n    url: x\n";
    vec![
        format!("# top\n{HEAD}{block}  defaultConfig:\n    # 为什么\n    a: [1, 2] # list\n# end\n"),
        format!("{HEAD}{block}  defaultConfigDisable:   false   # for now\n  defaultConfig: {{a: 1}}\n"),
        format!("{HEAD}{block}  pluginConfig: # all of it\n    a: 1\n"),
        format!(
            "{HEAD}{annotated}    matchRules:\n    - ingress: [a]   # first\n      config:\n        x: 1\n\n    # second\n    \
             - config: {{x: 2}}\n      configDisable: false # soon\n      domain:\n      - a.com\n    - {{domain: [b.com], \
             configDisable: true}}\n    - {{service: [c], config: {{}}}}\n"
        ),
        format!("{HEAD}{block}  matchRules:\n  -   domain: [x]\n      config: {{}}"),
        format!(
            "{HEAD}metadata: {{name: p, annotations: {{}}}}\nspec: {{url: x, defaultConfig: {{a: 1}}}}\n"
        ),
        format!("{HEAD}metadata: {{name: p}}\nspec: {{url: x}}\n"),
        format!("{HEAD}{block}").replace('\n', "\r\n"),
        serde_json::to_string_pretty(&json!({
            "apiVersion": "extensions.higress.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "p"},
            "spec": {"url": "x", "pluginConfig": {"a": 1}, "matchRules": [{"domain": ["x"], "config": {}}]}
        }))
        .unwrap(),
    ]
}

fn deployment(text: &str) -> Deployment {
    WasmPlugin::from_yaml(text).unwrap_or_else(|error| panic!("{error}\n{text}")).deployment().unwrap()
}

#[test]
fn disabled_and_enabled_again_a_text_has_the_same_bytes() {
    for text in texts() {
        let off = disable(&text, Place::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(deployment(&off), Deployment::NotDeployed, "{off}");
        assert_ne!(deployment(&text), Deployment::NotDeployed, "{text}");
        for comment in text.split('#').skip(1).filter_map(|rest| rest.lines().next()) {
            assert!(off.contains(comment), "{comment} in {off}");
        }
        assert_eq!(disable(&off, Place::default()), Err(EditError::Already("disabled")));
        let on = enable(&off, Place::default()).unwrap_or_else(|error| panic!("{error}\n{off}"));
        // Empty annotations say the same as none.
        assert_eq!(on, text.replace(", annotations: {}", ""), "through\n{off}");
        assert_eq!(enable(&on, Place::default()), Err(EditError::Already("enabled")));
    }
}

#[test]
fn of_several_documents_only_one_changes() {
    let [first, second] = [texts().remove(0), texts().remove(3)];
    let all = format!("---\n{first}---\n{second}");
    let off = disable(&all, Place { document: 1, item: None }).unwrap();
    assert!(off.starts_with(&format!("---\n{first}---\n")), "{off}");
    assert_eq!(enable(&off, Place { document: 1, item: None }).unwrap(), all);
    assert_eq!(remove(&all, Place { document: 1, item: None }).unwrap().unwrap(), format!("---\n{first}"));
    assert_eq!(remove(&all, Place::default()).unwrap().unwrap(), format!("---\n{second}"));
    assert_eq!(remove(&first, Place::default()).unwrap(), None);
}

#[test]
fn what_was_changed_while_it_was_disabled_stays() {
    let text = texts().remove(3);
    let off = disable(&text, Place::default()).unwrap();
    let edited = off.replace("x: 1", "x: 7 # more");
    assert_eq!(enable(&edited, Place::default()).unwrap(), text.replace("x: 1", "x: 7 # more"));
    let longer =
        off.replace("    matchRules:\n", "    matchRules:\n    - {domain: [new], configDisable: true}\n");
    let error = enable(&longer, Place::default()).unwrap_err().to_string();
    assert!(error.contains("there are 5 match rules, and there were 4"), "{error}");
}

#[test]
fn what_cannot_be_undone_is_refused() {
    for (text, expected) in [
        (
            format!(
                "{HEAD}metadata: {{name: p}}\nspec: {{url: x, pluginConfig: {{}}, defaultConfig: {{}}}}\n"
            ),
            "remove one",
        ),
        (format!("x: &s {{url: x}}\n{HEAD}metadata: {{name: p}}\nspec: *s\n"), "by hand"),
        ("a: [".into(), "invalid YAML: "),
    ] {
        let error = disable(&text, Place::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let by_hand = format!("{HEAD}metadata: {{name: p}}\nspec: {{url: x, defaultConfigDisable: true}}\n");
    assert!(enable(&by_hand, Place::default()).unwrap_err().to_string().contains("was disabled by hand"));
    assert_eq!(disable("", Place::default()), Err(EditError::Gone));
}

#[test]
fn fields_are_set_where_they_stand_or_where_they_belong() {
    let text = format!("{HEAD}metadata:\n  name: p # p\nspec:\n  url: old # where\n  priority: 3\n");
    let after = set(
        &text,
        Place::default(),
        &[
            (&["spec", "url"], json!("file://new.wasm")),
            (&["spec", "priority"], json!(-20)),
            (&["metadata", "annotations", "a/b"], json!("on: x")),
            (&["spec", "defaultConfig"], json!({"a": ["on", "1", 1, true, "é\n"], "b": {}})),
        ],
    )
    .unwrap();
    assert!(
        after.contains("name: p # p\n") && after.contains("url: \"file://new.wasm\" # where\n"),
        "{after}"
    );
    let resource = WasmPlugin::from_yaml(&after).unwrap();
    assert_eq!(resource.spec.priority, -20);
    assert_eq!(resource.spec.default_config.unwrap()["a"], json!(["on", "1", 1, true, "é\n"]));
    let again = set(&after, Place::default(), &[(&["spec", "defaultConfig"], json!({"c": 1}))]).unwrap();
    assert!(again.contains("  defaultConfig:\n    c: 1\n"), "{again}");
    let without = set(&again, Place::default(), &[(&["spec", "defaultConfig"], Value::Null)]).unwrap();
    assert!(!without.contains("defaultConfig") && !without.contains("c: 1"), "{without}");
}

#[test]
fn a_resource_is_taken_out_of_a_list() {
    let list = "apiVersion: v1\nkind: List\nitems:\n";
    let entry = |name: &str| {
        format!("# about {name}\n- {}  metadata:\n    name: {name} # {name}\n  spec: {{ url: x }}\n", {
            HEAD.replacen('\n', "\n  ", 1)
        })
    };
    let [a, b, c] = ["a", "b", "c"].map(entry);
    let text = format!("{list}{a}{b}\n{c}# the end\n");
    let at = |item| Place { document: 0, item: Some(item) };
    assert_eq!(remove(&text, at(0)).unwrap().unwrap(), format!("{list}{b}\n{c}# the end\n"));
    assert_eq!(remove(&text, at(1)).unwrap().unwrap(), format!("{list}{a}{c}# the end\n"));
    assert_eq!(remove(&text, at(2)).unwrap().unwrap(), format!("{list}{a}{b}\n# the end\n"));
    assert_eq!(remove(&text, at(3)), Err(EditError::Gone));
    // With the last one goes the list, and with the list the file.
    let alone = format!("{list}{a}");
    assert_eq!(remove(&alone, at(0)).unwrap(), None);
    let other = format!("---\n{}", texts().remove(0));
    assert_eq!(remove(&(alone + &other), at(0)).unwrap().unwrap(), other);
    // As kubectl prints JSON.
    let [a, b] = ["a", "b"].map(|name| json!({ "kind": "WasmPlugin", "metadata": { "name": name } }));
    for text in [
        json!({ "kind": "List", "items": [a, b] }).to_string(),
        format!("{:#}", json!({ "kind": "List", "items": [a, b] })),
    ] {
        for (item, left) in [(0, &b), (1, &a)] {
            let after = remove(&text, at(item)).unwrap().unwrap();
            let is: Value = serde_json::from_str(&after).unwrap();
            assert_eq!(is["items"], json!([left]), "{after}");
        }
    }
    let error = remove("kind: List\nitems: [&a { x: 1 }, *a]\n", at(0)).unwrap_err().to_string();
    assert!(error.contains("remove it by hand"), "{error}");
}

#[test]
fn a_file_that_another_program_changed_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    write(&file, None, b"one").unwrap();
    assert!(write(&file, None, b"two").is_err());
    assert!(
        write(&file, Some("other"), b"two")
            .unwrap_err()
            .to_string()
            .contains("has been changed in the meantime")
    );
    assert_eq!(fs::read(&file).unwrap(), b"one");
    write(&file, Some("one"), b"two").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"two");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn texts_that_a_cluster_would_take_for_something_else_are_written_in_quotes() {
    let block = "kind: WasmPlugin\nspec:\n  defaultConfig:\n    header_value: a\n";
    let flow = "kind: WasmPlugin\nspec: { defaultConfig: { header_value: a } }\n";
    for word in ["on", "1_000", "0o17", "1:30", "2024-01-01", "~", "a\u{2028}b", "y"] {
        let config = serde_json::json!({ "header_value": word, word: [word], "in": { word: word } });
        for text in [block, flow] {
            let after = set(text, Place::default(), &[(&["spec", "defaultConfig"], config.clone())]).unwrap();
            let inside =
                set(text, Place::default(), &[(&["spec", "defaultConfig", "header_value"], word.into())]);
            for after in [after, inside.unwrap()] {
                let quoted = resource::yaml::write_inline(&word.into()).unwrap();
                assert!(after.contains(&quoted), "{word:?} is not {quoted} in\n{after}");
            }
        }
    }
}
