//! The `WasmPlugin` resource, turned into a document as the control plane does it.

#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

use resource::{Content, ControlPlane, Deployment, FailStrategy, Stage, WasmPlugin};
use serde_json::json;

fn higress(spec: &str) -> WasmPlugin {
    let text = format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: p}}\nspec: {spec}"
    );
    WasmPlugin::from_yaml(&text).unwrap_or_else(|error| panic!("{spec}: {error}"))
}

#[track_caller]
fn becomes(spec: &str, document: serde_json::Value) {
    let deployment = higress(spec).deployment().unwrap_or_else(|error| panic!("{spec}: {error}"));
    let Deployment::Document(found) = deployment else { panic!("{spec}: not deployed") };
    assert_eq!(serde_json::Value::Object(found), document, "{spec}");
}

#[test]
fn a_resource_becomes_the_document_that_the_control_plane_sends() {
    for (spec, document) in [
        ("{}", json!({})),
        ("{defaultConfig: {a: 1}}", json!({"a": 1})),
        ("{pluginConfig: {a: 1}, defaultConfig: {a: 2}, matchRules: [{}]}", json!({"a": 1})),
        (
            "{defaultConfig: {a: 1}, matchRules: [{ingress: [x/y], domain: ['*.c'], service: [s], config: {b: 2}}]}",
            json!({"a": 1, "_rules_": [{"b": 2, "_match_route_": ["x/y"], "_match_domain_": ["*.c"], "_match_service_": ["s"]}]}),
        ),
        ("{matchRules: [{ingress: [x]}]}", json!({"_rules_": [{"_match_route_": ["x"]}]})),
        (
            "{defaultConfig: {a: 1}, matchRules: [{ingress: [x], configDisable: true}, {domain: [d]}]}",
            json!({"a": 1, "_rules_": [{"_match_domain_": ["d"]}]}),
        ),
        ("{defaultConfig: {a: 1}, matchRules: [{configDisable: true}]}", json!({"a": 1})),
        (
            "{defaultConfig: {a: 1}, defaultConfigDisable: true, matchRules: [{domain: [d], config: {a: 2}}]}",
            json!({"_rules_": [{"_match_domain_": ["d"], "a": 2}]}),
        ),
        (
            "{defaultConfig: {_rules_: [old]}, matchRules: [{domain: [d]}]}",
            json!({"_rules_": [{"_match_domain_": ["d"]}]}),
        ),
    ] {
        becomes(spec, document);
    }
}

#[test]
fn a_disabled_default_without_a_rule_in_force_is_not_deployed() {
    for spec in [
        "{defaultConfig: {a: 1}, defaultConfigDisable: true}",
        "{defaultConfigDisable: true, matchRules: [{domain: [d], configDisable: true}]}",
    ] {
        assert_eq!(higress(spec).deployment(), Ok(Deployment::NotDeployed), "{spec}");
    }
}

#[test]
fn a_rule_without_a_condition_refuses_the_resource() {
    let error = higress("{matchRules: [{domain: [d]}, {config: {a: 1}}]}").deployment().unwrap_err();
    assert_eq!(error.path(), "spec.matchRules[1]");
    assert!(error.message().contains("add `ingress`, `domain` or `service`"), "{error}");
}

#[test]
fn a_place_in_the_document_is_found_in_the_resource() {
    let rules =
        "matchRules: [{domain: [d], configDisable: true}, {ingress: [i], config: {a: 1}}, {domain: [d]}]";
    for (spec, path, origin) in [
        ("{defaultConfig: {a: 1}}", "a[0].b", "spec.defaultConfig.a[0].b"),
        ("{defaultConfig: {a: 1}}", "", "spec.defaultConfig"),
        ("{pluginConfig: {a: 1}, defaultConfig: {a: 1}}", "_rules_[0].a", "spec.pluginConfig._rules_[0].a"),
        ("{}", "", "spec"),
        ("{defaultConfig: {a: 1, _rules_: []}}", "_rules_[0].a", "spec.defaultConfig._rules_[0].a"),
        (&format!("{{{rules}}}"), "_rules_[0].a[2]", "spec.matchRules[1].config.a[2]"),
        (&format!("{{{rules}}}"), "_rules_[0]", "spec.matchRules[1]"),
        (&format!("{{{rules}}}"), "_rules_[0]._match_route_[0]", "spec.matchRules[1].ingress[0]"),
        (&format!("{{{rules}}}"), "_rules_[1]._match_domain_[0]", "spec.matchRules[2].domain[0]"),
        (
            &format!("{{{rules}}}"),
            "_rules_[1]._match_route_[0]",
            "spec.matchRules[2].config._match_route_[0]",
        ),
        (&format!("{{{rules}}}"), "_rules_", "spec.matchRules"),
    ] {
        assert_eq!(higress(spec).origin(path), origin, "{spec} {path}");
    }
}

#[test]
fn a_text_of_the_plug_in_names_places_as_the_file_does() {
    let rules = higress("{matchRules: [{domain: [d], configDisable: true}, {ingress: [i], config: {a: 1}}]}");
    for (text, expected) in [
        ("answers 403 (x.y) by _rules_[0]: a[0]", "answers 403 (x.y) by spec.matchRules[1]: a[0]"),
        (
            "_rules_[0].a[2]: is wrong, as _rules_[0].",
            "spec.matchRules[1].config.a[2]: is wrong, as spec.matchRules[1].",
        ),
        ("no rule", "no rule"),
        ("_rules_[", "spec.matchRules"),
        ("_rules_[9]", "spec.matchRules"),
    ] {
        assert_eq!(rules.with_origins(text), expected);
    }
    assert_eq!(
        higress("{pluginConfig: {_rules_: []}}").with_origins("_rules_[1]"),
        "spec.pluginConfig._rules_[1]"
    );
}

#[test]
fn what_has_no_effect_is_remarked() {
    for (spec, places) in [
        ("{defaultConfig: {a: 1}, matchRules: [{domain: [d]}]}", &[] as &[&str]),
        (
            "{pluginConfig: {}, defaultConfig: {}, matchRules: [{domain: [d]}]}",
            &["spec.defaultConfig", "spec.matchRules"],
        ),
        (
            "{defaultConfig: {}, defaultConfigDisable: true, matchRules: [{domain: [d]}]}",
            &["spec.defaultConfig"],
        ),
        ("{matchRules: [{domain: [d]}, {domain: [e], configDisable: true}]}", &["spec.matchRules[1]"]),
        ("{defaultConfig: {_rules_: []}, matchRules: [{domain: [d]}]}", &["spec.defaultConfig._rules_"]),
    ] {
        let remarks = higress(spec).remarks();
        let found: Vec<_> = remarks.iter().map(|remark| remark.path.as_str()).collect();
        assert_eq!(found, places, "{spec}");
    }
}

#[test]
fn what_a_cluster_has_added_is_taken() {
    let text = "{apiVersion: extensions.higress.io/v1alpha1, kind: WasmPlugin, spec: {}, status: {x: 1}}";
    assert!(WasmPlugin::from_yaml(text).is_ok());
}

#[test]
fn stage_and_failure_are_read() {
    let spec = higress("{phase: AUTHN, priority: 320, failStrategy: FAIL_OPEN}").spec;
    assert_eq!((spec.phase, spec.priority, spec.fail_strategy), (Stage::Authn, 320, FailStrategy::Open));
}

#[test]
fn mistakes_name_the_field() {
    let head = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\n";
    for (text, message) in [
        (
            format!("{head}spec: {{matchRules: [{{domian: [d]}}]}}"),
            "spec.matchRules[0].domian: is not a known field: did you mean `domain`?",
        ),
        (
            format!("{head}spec: {{phase: AUTHX}}"),
            "spec.phase: must be one of `AUTHN`, `AUTHZ`, `STATS` and `UNSPECIFIED_PHASE`: did you mean `AUTHN`?",
        ),
        (
            format!("{head}spec: {{priority: high}}"),
            "spec.priority: must be a whole number that fits, found string: write it without quotes",
        ),
        (head.to_string(), "`spec` is missing: add it"),
        ("kind: WasmPlugin".to_string(), "`apiVersion` is missing: add it"),
        (
            "apiVersion: v1\nkind: Pod".to_string(),
            "kind: is not a kind that deploys plug-ins: write WasmPlugin or EnvoyExtensionPolicy",
        ),
    ] {
        assert_eq!(WasmPlugin::from_yaml(&text).unwrap_err().to_string(), message, "{text}");
    }
    let error = WasmPlugin::from_yaml("metadata: {}\nspec: [").unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
}

/// Everything that deploys a plug-in in a text, with the document that each gets.
fn deployed(text: &str) -> Vec<(WasmPlugin, serde_json::Value)> {
    let documents = resource::yaml::read(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let found: Vec<_> = documents.iter().flat_map(resource::read).collect();
    let plugins = found.iter().flat_map(|found| {
        assert!(found.errors.is_empty(), "{found:?}");
        match &found.content {
            Content::Plugins(plugins) => plugins.as_slice(),
            Content::Other { .. } | Content::Fields => &[],
        }
    });
    plugins
        .map(|plugin| match plugin.deployment() {
            Ok(Deployment::Document(document)) => (plugin.clone(), document.into()),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_resources_of_every_control_plane_are_read() {
    let istio = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: w, creationTimestamp: null }\nspec:\n  \
        targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: waypoint }]\n  selector: null\n  phase: AUTHN\n  type: HTTP\n  \
        match: [{ mode: CLIENT, ports: [{ number: 443 }] }]\n  failStrategy: FAIL_RELOAD\n  pluginConfig: { a: 1, b: null, _rules_: [{ _match_domain_: [x] }] }\n  \
        url: oci://a.com/b\n  vmConfig: { env: [{ name: A, value: b }, { name: P, valueFrom: HOST }] }\nstatus: {}\n";
    let [(plugin, document)] = &deployed(istio)[..] else { panic!() };
    assert_eq!((plugin.control_plane, plugin.spec.phase), (ControlPlane::Istio, Stage::Authn));
    assert_eq!(*document, json!({ "a": 1, "b": null, "_rules_": [{ "_match_domain_": ["x"] }] }));
    assert_eq!(plugin.origin("a"), "spec.pluginConfig.a");
    assert_eq!(plugin.field("url"), "spec.url");

    let policy = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: { name: p }\nspec:\n  \
        targetRef: { group: g, kind: Gateway, name: gw }\n  extProc: [{}]\n  wasm:\n  - name: one\n    rootID: r\n    \
        code: { type: Image, pullPolicy: Always, image: { url: a.com/one:1, sha256: ab, pullSecretRef: { name: s } } }\n    config: { a: 1 }\n    failOpen: true\n    \
        env: { hostKeys: [HOME] }\n  - code: { type: HTTP, http: { url: 'https://a.com/two.wasm', sha256: cd } }\n";
    let [(one, first), (two, second)] = &deployed(policy)[..] else { panic!() };
    assert_eq!((first, second), (&json!({ "a": 1 }), &json!({})));
    assert_eq!((one.metadata["name"].as_str(), two.metadata["name"].as_str()), (Some("p-one"), Some("p-1")));
    assert_eq!(
        (one.spec.location(), two.spec.location()),
        ("oci://a.com/one:1".into(), "https://a.com/two.wasm".into())
    );
    assert_eq!((one.spec.fail_strategy, two.spec.fail_strategy), (FailStrategy::Open, FailStrategy::Close));
    assert!(one.spec.priority > two.spec.priority, "the first runs first");
    assert_eq!((one.spec.image_pull_secret.as_str(), one.spec.vm_config.env[0].name.as_str()), ("s", "HOME"));
    assert_eq!(one.origin("a[0]"), "spec.wasm[0].config.a[0]");
    assert_eq!(
        (one.field("url"), two.field("sha256")),
        ("spec.wasm[0].code.image.url".into(), "spec.wasm[1].code.http.sha256".into())
    );
}

#[test]
fn lists_of_lists_and_json_are_read_and_other_kinds_are_not() {
    let one = |name: &str| {
        format!(
            "{{\"apiVersion\": \"extensions.higress.io/v1alpha1\", \"kind\": \"WasmPlugin\", \"metadata\": {{\"name\": \"{name}\", \
             \"managedFields\": [{{\"a\": 1}}]}},\n\t\"spec\": {{\"url\": \"a\", \"matchRules\": null, \"defaultConfig\": {{\"n\": \"{name}\"}}}}, \"status\": null}}"
        )
    };
    let secret = r#"{"apiVersion": "v1", "kind": "Secret", "data": {}}"#;
    let list = |kind: &str, version: &str, items: &[String]| {
        format!(
            "{{\"apiVersion\": \"{version}\",\n\t\"kind\": \"{kind}\",\n\t\"metadata\": {{\"resourceVersion\": \"\"}},\n\t\"items\": [{}]}}",
            items.join(",\n")
        )
    };
    let inner = list("WasmPluginList", "extensions.higress.io/v1alpha1", &[one("b"), one("c")]);
    let text = list("List", "v1", &[one("a"), secret.into(), inner, list("List", "v1", &[])]);
    for text in [text.clone(), format!("\u{feff}{text}"), format!("---\n{}\n---\n", text.replace('\t', "  "))]
    {
        let names: Vec<serde_json::Value> =
            deployed(&text).into_iter().map(|(_, document)| document["n"].clone()).collect();
        assert_eq!(names, ["a", "b", "c"], "{text}");
    }
    let bare = one("d")
        .replace("\"apiVersion\": \"extensions.higress.io/v1alpha1\", \"kind\": \"WasmPlugin\", ", "");
    let [(_, document)] = &deployed(&list("WasmPluginList", "extensions.higress.io/v1alpha1", &[bare]))[..]
    else {
        panic!()
    };
    assert_eq!(*document, json!({ "n": "d" }), "the list's API is that of its entries");
    let documents = resource::yaml::read(&text).unwrap();
    let places: Vec<String> =
        resource::read(&documents[0]).iter().map(|found| found.path("spec.url")).collect();
    assert_eq!(
        places,
        [
            "items[0].spec.url",
            "items[1].spec.url",
            "items[2].items[0].spec.url",
            "items[2].items[1].spec.url"
        ]
    );
    assert_eq!(documents[0].find("items[2].items[1].spec.url").start.line, 13);
}
