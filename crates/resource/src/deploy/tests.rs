//! Resources of every control plane: held against their schemas, read back, and what a cluster makes of them.

use serde_json::json;

use super::*;
use crate::{Deployment, WasmPlugin, yaml};

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn plugin(more: &str) -> Manifest {
    let text = format!(
        "name: request-block\ntitle: T\ndescription: D\ncategory: security\nversion: 0.1.0\nstage: authn\npriority: 320\n\
         failStrategy: FAIL_OPEN\nbudget: {{ size: 1 }}\nexample: {{}}\n{more}"
    );
    Manifest::parse(std::path::Path::new("plugin.yaml"), &text).unwrap()
}

/// The resource for a document, attached where its API wants it.
fn resource(plane: ControlPlane, manifest: &Manifest, document: &Value) -> Result<Value, DeployError> {
    let image =
        Pinned::parse(&format!("oci://r.example.com/plugins/request-block:1.0.0@sha256:{HEX}")).unwrap();
    let targets = match plane {
        ControlPlane::Higress => vec![],
        ControlPlane::Istio | ControlPlane::EnvoyGateway => vec!["eg".parse().unwrap()],
    };
    plane.resource(&Order {
        plugin: manifest,
        image: &image,
        configuration: document.as_object().unwrap(),
        name: "request-block",
        namespace: Some("gateways"),
        pull_secret: Some("registry"),
        targets: &targets,
        selector: &[],
    })
}

/// Documents of every form that an operator writes.
fn documents() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "block_urls": ["on", "1.0", "a: b", "中文"], "blocked_code": 403, "case": true, "none": null }),
        json!({ "a": 1, "_rules_": [] }),
        json!({ "_rules_": [{ "_match_domain_": ["*.example.com"], "b": ["x"] }] }),
        json!({ "a": 1, "_rules_": [
            { "_match_route_": ["default/foo"], "_match_service_": ["s.default.svc.cluster.local:80"], "b": { "c": [1] } },
            { "_match_domain_": ["on", "1.0"] },
        ] }),
        // Conditions that a resource has no words for.
        json!({ "a": 1, "_rules_": [{ "_match_domain_": ["a.com"], "b": 1 }, { "_match_consumer_": ["c"], "b": 2 }] }),
        json!({ "a": 1, "_rules_": [{ "_match_route_": ["r"], "_match_consumer_": ["c"], "b": 2 }] }),
    ]
}

#[test]
fn every_resource_fits_its_schema_and_reads_back() {
    for plane in ControlPlane::ALL {
        for document in documents() {
            let resource = resource(plane, &plugin(""), &document).unwrap();
            let yaml = yaml::write(&resource).unwrap();
            let read: Value = serde_yaml::from_str(&yaml).unwrap();
            assert_eq!(read, resource, "{yaml}");
            assert_eq!(schema::check(&plane.schema(), &read, ""), Ok(()));
        }
    }
}

#[test]
fn higress_makes_the_same_document_of_it() {
    for document in documents() {
        let yaml = yaml::write(&resource(ControlPlane::Higress, &plugin(""), &document).unwrap()).unwrap();
        let read = WasmPlugin::from_yaml(&yaml).unwrap();
        let Deployment::Document(deployed) = read.deployment().unwrap() else { panic!("{yaml}") };
        assert_eq!(Value::Object(deployed), document, "{yaml}");
        assert!(read.remarks().is_empty(), "{yaml}");
    }
}

#[test]
fn rules_become_match_rules_where_a_resource_has_words_for_them() {
    let rules: Vec<usize> = documents()
        .iter()
        .map(|document| {
            let resource = resource(ControlPlane::Higress, &plugin(""), document).unwrap();
            resource["spec"]["matchRules"].as_array().map_or(0, Vec::len)
        })
        .collect();
    assert_eq!(rules, [0, 0, 0, 1, 2, 0, 0]);
}

#[test]
fn higress_gets_fields_in_a_fixed_order() {
    let document = json!({ "z": "on", "a": 1, "_rules_": [{ "b": 2, "_match_domain_": ["a.com"] }] });
    let yaml = yaml::write(&resource(ControlPlane::Higress, &plugin(""), &document).unwrap()).unwrap();
    let expected = format!(
        "apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: request-block
  namespace: gateways
spec:
  url: oci://r.example.com/plugins/request-block@sha256:{HEX}
  sha256: \"{HEX}\"
  imagePullSecret: registry
  pluginName: request-block
  phase: AUTHN
  priority: 320
  failStrategy: FAIL_OPEN
  defaultConfig:
    z: \"on\"
    a: 1
  matchRules:
  - domain:
    - a.com
    config:
      b: 2
"
    );
    assert_eq!(yaml, expected);
}

#[test]
fn istio_and_envoy_gateway_get_the_document_whole() {
    let document = json!({ "a": "1.0", "_rules_": [{ "b": 2, "_match_domain_": ["a.com"] }] });
    let istio = resource(ControlPlane::Istio, &plugin(""), &document).unwrap();
    let target = json!([{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "eg" }]);
    assert_eq!(
        istio["spec"],
        json!({
            "targetRefs": target, "url": format!("oci://r.example.com/plugins/request-block@sha256:{HEX}"), "sha256": HEX,
            "imagePullSecret": "registry", "pluginName": "request-block", "phase": "AUTHN", "priority": 320,
            "failStrategy": "FAIL_OPEN", "pluginConfig": document,
        })
    );
    let envoy = resource(ControlPlane::EnvoyGateway, &plugin(""), &document).unwrap();
    let image = json!({
        "url": format!("r.example.com/plugins/request-block@sha256:{HEX}"), "sha256": HEX,
        "pullSecretRef": { "kind": "Secret", "name": "registry" },
    });
    assert_eq!(
        envoy["spec"],
        json!({
            "targetRefs": target,
            "wasm": [{
                "name": "request-block", "rootID": "request-block", "code": { "type": "Image", "image": image },
                "config": document, "failOpen": true,
            }],
        })
    );
}

#[test]
fn a_field_that_an_api_does_not_have_is_found() {
    for (plane, place, value) in [
        (ControlPlane::Higress, "spec.matchRule", json!([])),
        (ControlPlane::Higress, "spec.priority", json!("320")),
        (ControlPlane::Higress, "spec.priority", json!(3_000_000_000_u64)),
        (ControlPlane::Higress, "spec.failStrategy", json!("FAIL_CLOSED")),
        (ControlPlane::Higress, "spec.sha256", json!("abc")),
        (ControlPlane::Istio, "spec.defaultConfig", json!({})),
        (ControlPlane::Istio, "spec.phase", json!("authn")),
        (ControlPlane::Istio, "spec.pluginConfig", json!("text")),
        (ControlPlane::EnvoyGateway, "spec.targetRefs", json!([])),
        (ControlPlane::EnvoyGateway, "spec.priority", json!(1)),
        (ControlPlane::EnvoyGateway, "kind", json!("WasmPlugin")),
    ] {
        let mut bad = resource(plane, &plugin(""), &json!({ "a": 1 })).unwrap();
        match place.split_once('.') {
            Some((outer, inner)) => bad[outer][inner] = value,
            None => bad[place] = value,
        }
        let (found, message) = schema::check(&plane.schema(), &bad, "").unwrap_err();
        assert_eq!(found, place, "{plane:?}: {message}");
    }
}

#[test]
fn who_holds_headers_is_for_higress_alone() {
    let manifest = plugin("holdsHeaders: true\n");
    assert!(resource(ControlPlane::Higress, &manifest, &json!({})).is_ok());
    for plane in [ControlPlane::Istio, ControlPlane::EnvoyGateway] {
        let error = resource(plane, &manifest, &json!({})).unwrap_err().to_string();
        assert!(error.contains("cannot set allow_on_headers_stop_iteration"), "{error}");
    }
}
