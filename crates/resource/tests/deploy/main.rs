//! The resources for every control plane: they fit the schemas of the APIs, and read back as what was meant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may stop"
)]

mod schema;

use resource::deploy::{CannotHoldHeaders, Order, Pinned, Target};
use resource::{ControlPlane, Deployment, Manifest, WasmPlugin, yaml};
use serde_json::{Value, json};

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn plugin(more: &str) -> Manifest {
    let text = format!(
        "name: request-block\ntitle: T\ndescription: D\ncategory: security\nversion: 0.1.0\nstage: authn\npriority: 320\n\
         failStrategy: FAIL_OPEN\nbudget: {{ size: 1 }}\nexample: {{}}\n{more}"
    );
    Manifest::parse(std::path::Path::new("plugin.yaml"), &text).unwrap()
}

/// The resource for a document, attached where its API wants it.
fn deployed(
    plane: ControlPlane,
    manifest: &Manifest,
    document: &Value,
) -> Result<WasmPlugin, CannotHoldHeaders> {
    let image =
        Pinned::parse(&format!("oci://r.example.com/plugins/request-block:1.0.0@sha256:{HEX}")).unwrap();
    let targets: &[Target] = match plane {
        ControlPlane::Higress => &[],
        ControlPlane::Istio | ControlPlane::EnvoyGateway => &["eg".parse().unwrap()],
    };
    let document = document.as_object().unwrap();
    let order = Order::new(manifest, &image, document);
    Order { namespace: Some("gateways"), pull_secret: Some("registry"), targets, ..order }.resource(plane)
}

fn resource(plane: ControlPlane, document: &Value) -> Value {
    serde_json::to_value(deployed(plane, &plugin(""), document).unwrap()).unwrap()
}

/// Checks a resource against the schema of its control plane.
fn check(plane: ControlPlane, resource: &Value) -> Result<(), String> {
    let text = match plane {
        ControlPlane::Higress => include_str!("schemas/higress.yaml"),
        ControlPlane::Istio => include_str!("schemas/istio.yaml"),
        ControlPlane::EnvoyGateway => include_str!("schemas/envoy-gateway.yaml"),
    };
    schema::check(&yaml::read(text).unwrap()[0].to_json(), resource)
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
            let resource = resource(plane, &document);
            let yaml = yaml::write(&resource).unwrap();
            let read: Value = serde_yaml::from_str(&yaml).unwrap();
            assert_eq!(read, resource, "{yaml}");
            check(plane, &read).unwrap_or_else(|error| panic!("{error}: {yaml}"));
            // Reading and writing again changes nothing.
            let again = WasmPlugin::from_yaml(&yaml).unwrap();
            assert_eq!(serde_json::to_value(&again).unwrap(), resource, "{yaml}");
        }
    }
}

#[test]
fn higress_makes_the_same_document_of_it() {
    for document in documents() {
        let yaml = yaml::write(&resource(ControlPlane::Higress, &document)).unwrap();
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
            let resource = resource(ControlPlane::Higress, document);
            resource["spec"]["matchRules"].as_array().map_or(0, Vec::len)
        })
        .collect();
    assert_eq!(rules, [0, 0, 0, 1, 2, 0, 0]);
}

#[test]
fn higress_gets_fields_in_a_fixed_order() {
    let document = json!({ "z": "on", "a": 1, "_rules_": [{ "b": 2, "_match_domain_": ["a.com"] }] });
    let yaml = yaml::write(&resource(ControlPlane::Higress, &document)).unwrap();
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
    let istio = resource(ControlPlane::Istio, &document);
    let target = json!([{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "eg" }]);
    assert_eq!(
        istio["spec"],
        json!({
            "targetRefs": target, "url": format!("oci://r.example.com/plugins/request-block@sha256:{HEX}"), "sha256": HEX,
            "imagePullSecret": "registry", "pluginName": "request-block", "phase": "AUTHN", "priority": 320,
            "failStrategy": "FAIL_OPEN", "pluginConfig": document,
        })
    );
    let envoy = resource(ControlPlane::EnvoyGateway, &document);
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
        let mut bad = resource(plane, &json!({ "a": 1 }));
        match place.split_once('.') {
            Some((outer, inner)) => bad[outer][inner] = value,
            None => bad[place] = value,
        }
        let error = check(plane, &bad).unwrap_err();
        let name = place.rsplit('.').next().unwrap();
        assert!(error.contains(name), "{plane:?} {place}: {error}");
    }
}

#[test]
fn who_holds_headers_is_for_higress_alone() {
    let manifest = plugin("holdsHeaders: true\n");
    assert!(deployed(ControlPlane::Higress, &manifest, &json!({})).is_ok());
    for plane in [ControlPlane::Istio, ControlPlane::EnvoyGateway] {
        let error = deployed(plane, &manifest, &json!({})).unwrap_err().to_string();
        assert!(error.contains("cannot set allow_on_headers_stop_iteration"), "{error}");
    }
}
