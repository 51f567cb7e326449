use std::path::PathBuf;

use serde_json::Value;

use super::*;
use marketplace::Known;

const HIGRESS: &str = "higress-registry.cn-hangzhou.cr.aliyuncs.com";

/// The report and the resources of one file, with images at registry.example.com/plugins.
fn adopt(text: &str) -> (Value, Vec<Value>) {
    let workspace = crate::open::workspace().unwrap();
    let known = Known::of(&workspace);
    let images = "registry.example.com/plugins".parse().unwrap();
    let mut adopter = Adopter {
        checker: Checker::new(&known, None),
        images: Some(&images),
        adoptions: Vec::new(),
        resources: Vec::new(),
    };
    adopter.file(Path::new("old.yaml"), text).unwrap();
    let resources = adopter.resources.iter().map(|resource| resource.value.clone()).collect();
    (report::json(&adopter.adoptions, &adopter.resources), resources)
}

fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let plugins = report["plugins"].as_array().unwrap().iter();
    plugins
        .map(|plugin| (plugin["resource"].as_str().unwrap(), plugin["outcome"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_list_of_kubectl_is_adopted_entry_by_entry() {
    let list = format!(
        "
apiVersion: v1
kind: List
items:
- apiVersion: extensions.higress.io/v1alpha1
  kind: WasmPlugin
  metadata:
    name: request-block-1.0.0
    namespace: higress-system
    resourceVersion: '123'
    uid: 6f1c
    labels:
      higress.io/wasm-plugin-built-in: 'true'
      higress.io/wasm-plugin-version: 1.0.0
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: '{{}}'
  spec:
    url: oci://{HIGRESS}/plugins/request-block:1.0.0
    sha256: {digest}
    imagePullSecret: higress-pull
    defaultConfig: {{ block_urls: [a], case_sensitive: false }}
    matchRules:
    - domain: ['*.example.com']
      config: {{ block_bodys: [x] }}
  status: {{}}
- apiVersion: extensions.higress.io/v1alpha1
  kind: WasmPlugin
  metadata: {{ name: limits, namespace: higress-system }}
  spec:
    url: http://higress-plugin-server.higress-system.svc/plugins/key-rate-limit/1.0.0/plugin.wasm
    defaultConfig: {{ limit_by_header: x-key, limit_keys: [{{ key: a, query_per_second: nine }}] }}
- apiVersion: extensions.higress.io/v1alpha1
  kind: WasmPlugin
  metadata: {{ name: auth, namespace: higress-system }}
  spec:
    pluginName: oidc
    defaultConfigDisable: true
- apiVersion: extensions.higress.io/v1alpha1
  kind: WasmPlugin
  metadata: {{ name: request-block, namespace: other }}
  spec:
    url: oci://registry.example.com/team/my-filter:3
    defaultConfig: {{ a: 1 }}
- apiVersion: v1
  kind: ConfigMap
  metadata: {{ name: unrelated }}
",
        digest = "a".repeat(64)
    );
    let (report, resources) = adopt(&list);
    assert_eq!(
        outcomes(&report),
        [
            ("higress-system/request-block-1.0.0", "accepted"),
            ("higress-system/limits", "rejected"),
            ("higress-system/auth", "noCounterpart"),
            ("other/request-block", "unknownImage"),
        ]
    );
    let plugins = report["plugins"].as_array().unwrap();
    let subjects: Vec<&str> = plugins[0]["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["subject"].as_str().unwrap())
        .collect();
    assert!(subjects.contains(&"`case_sensitive`"), "{subjects:?}");
    assert!(!subjects.contains(&"`block_exact_urls`"), "a field that the configuration does not have");
    let error = &plugins[1]["errors"][0];
    assert!(error["path"].as_str().unwrap().contains("query_per_second"), "{error}");
    assert_eq!(error["line"], 31, "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("must be a whole number"), "{error}");
    assert_eq!(resources.len(), 1);
    let resource = &resources[0];
    assert_eq!(resource["spec"]["url"], "oci://registry.example.com/plugins/request-block:0.1.0");
    for gone in [
        "/status",
        "/spec/sha256",
        "/spec/imagePullSecret",
        "/metadata/resourceVersion",
        "/metadata/uid",
        "/metadata/annotations",
    ] {
        assert!(resource.pointer(gone).is_none(), "{gone}: {resource:#}");
    }
    assert_eq!(resource["metadata"]["labels"]["higress.io/wasm-plugin-version"], "0.1.0");
    assert_eq!(resource["metadata"]["labels"]["higress.io/wasm-plugin-built-in"], "false");
    assert_eq!(resource["spec"]["matchRules"][0]["config"]["block_bodys"][0], "x");
}

#[test]
fn a_plug_in_with_another_name_here_is_found() {
    let (report, resources) = adopt(
        "
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: addresses, namespace: higress-system }
spec:
  url: oci://registry.example.com/plugins/http-real-ip:1.0.0
  defaultConfig: { real_ip_from: [10.0.0.0/8], real_ip_header: X-Forwarded-For }
",
    );
    assert_eq!(outcomes(&report), [("higress-system/addresses", "accepted")]);
    assert_eq!(report["plugins"][0]["upstream"]["name"], "http-real-ip", "{report:#}");
    assert_eq!(resources[0]["spec"]["url"], "oci://registry.example.com/plugins/real-ip:0.1.0");
}

#[test]
fn resources_of_istio_and_envoy_gateway_stay_what_they_are() {
    let (report, resources) = adopt(
        "
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: block, namespace: istio-ingress }
spec:
  targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: gw }]
  url: oci://registry.example.com/plugins/request-block:1.0.0
  imagePullSecret: kept
  phase: AUTHN
  pluginConfig: { block_urls: [a] }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: { name: policy }
spec:
  targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: gw }]
  wasm:
  - name: block
    code: { type: HTTP, http: { url: 'https://example.com/request-block.wasm', sha256: abc } }
    config: { block_urls: [a] }
  - name: other
    code: { type: Image, image: { url: registry.example.com/team/other:1 } }
",
    );
    assert_eq!(
        outcomes(&report),
        [("istio-ingress/block", "accepted"), ("policy-block", "accepted"), ("policy-other", "unknownImage")]
    );
    assert_eq!(resources[0]["apiVersion"], "extensions.istio.io/v1alpha1");
    assert_eq!(resources[0]["spec"]["imagePullSecret"], "kept", "the registry is the same");
    assert_eq!(resources[0]["spec"]["targetRefs"][0]["name"], "gw");
    assert_eq!(resources[1]["metadata"]["name"], "policy");
    assert_eq!(
        resources[1]["spec"]["wasm"][0]["code"],
        serde_json::json!({ "type": "Image", "image": { "url": "registry.example.com/plugins/request-block:0.1.0" } })
    );
    assert_eq!(resources[1]["spec"]["wasm"][1]["code"]["image"]["url"], "registry.example.com/team/other:1");
}

#[test]
fn what_cannot_be_read_is_reported_with_its_place() {
    let (report, resources) = adopt("a: [\n");
    assert_eq!(outcomes(&report), [("", "unreadable")]);
    assert!(resources.is_empty());
}

#[test]
fn files_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let (_, resources) = adopt(
        "
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: block }
spec: { pluginName: request-block, defaultConfig: { block_urls: ['on'] } }
",
    );
    let resources: Vec<_> = resources.into_iter().map(applied::Resource::new).collect();
    let out = folder.path().join("adopted");
    let files = applied::write(&out, &resources).unwrap();
    assert_eq!(files, [out.join("block.yaml")]);
    let text = fs::read_to_string(&files[0]).unwrap();
    assert!(text.contains("- \"on\""), "{text}");
    let error = applied::write(&out, &resources).unwrap_err().to_string();
    assert!(error.contains("block.yaml exists"), "{error}");
}

#[test]
fn folders_are_searched_and_empty_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = files(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has no .yaml"), "{error}");
    let inner = folder.path().join("b");
    fs::create_dir(&inner).unwrap();
    for file in [folder.path().join("a.yaml"), inner.join("c.yml"), folder.path().join("x.txt")] {
        fs::write(file, "").unwrap();
    }
    let names: Vec<PathBuf> = files(folder.path()).unwrap();
    assert_eq!(names, [folder.path().join("a.yaml"), inner.join("c.yml")]);
}

#[test]
fn images_are_a_registry_and_a_repository() {
    for good in ["registry.example.com/plugins", "oci://127.0.0.1:5000/a/b/"] {
        assert!(good.parse::<Images>().is_ok(), "{good}");
    }
    for bad in ["", "plugins", "https://registry.example.com/x", "registry.example.com/a b"] {
        assert!(bad.parse::<Images>().is_err(), "{bad}");
    }
}
