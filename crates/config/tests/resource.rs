//! The `WasmPlugin` resource, turned into a document as the control plane does it.

#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

use config::resource::{Deployment, FailStrategy, Phase, WasmPlugin};
use serde_json::json;

fn resource(spec: &str) -> WasmPlugin {
    let text = format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: p}}\nspec: {spec}"
    );
    WasmPlugin::from_yaml(&text).unwrap_or_else(|error| panic!("{spec}: {error}"))
}

#[track_caller]
fn becomes(spec: &str, document: serde_json::Value) {
    let deployment = resource(spec).deployment().unwrap_or_else(|error| panic!("{spec}: {error}"));
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
        assert_eq!(resource(spec).deployment(), Ok(Deployment::NotDeployed), "{spec}");
    }
}

#[test]
fn a_rule_without_a_condition_refuses_the_resource() {
    let error = resource("{matchRules: [{domain: [d]}, {config: {a: 1}}]}").deployment().unwrap_err();
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
        assert_eq!(resource(spec).origin(path), origin, "{spec} {path}");
    }
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
        let remarks = resource(spec).remarks();
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
    let spec = resource("{phase: AUTHN, priority: 320, failStrategy: FAIL_OPEN}").spec;
    assert_eq!((spec.phase, spec.priority, spec.fail_strategy), (Phase::Authn, 320, FailStrategy::Open));
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
            "spec.phase: must be one of `UNSPECIFIED_PHASE`, `AUTHN`, `AUTHZ` and `STATS`",
        ),
        (
            format!("{head}spec: {{priority: high}}"),
            "spec.priority: must be a whole number that fits, found string: write it without quotes",
        ),
        (head.to_string(), "`spec` is missing: add it"),
        ("kind: WasmPlugin".to_string(), "`apiVersion` is missing: add it"),
        (
            "apiVersion: v1\nkind: Pod".to_string(),
            "apiVersion: must be one of `extensions.higress.io/v1alpha1`",
        ),
    ] {
        assert_eq!(WasmPlugin::from_yaml(&text).unwrap_err().to_string(), message, "{text}");
    }
    let error = WasmPlugin::from_yaml("metadata: {}\nspec: [").unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
}
