//! Requests that meet rules, defaults and nothing.

use std::fs;
use std::path::Path;

use super::*;
use crate::folder::{StageOrder, read};

const ROUTES: &str = "
services:
- { name: httpbin.default.svc.cluster.local, port: 8000 }
routes:
- { ingress: foo, namespace: default, domains: [foo.example.com], paths: [/api], service: httpbin.default.svc.cluster.local }
- { ingress: any, namespace: default, domains: ['*.example.com'] }
";

const FOLDER: &str = "
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: rules }
spec:
  url: file://a.wasm
  phase: AUTHN
  defaultConfig: { a: default }
  matchRules:
  - { domain: ['off.example.com'], config: { a: off }, configDisable: true }
  - { ingress: [default/foo], config: { a: route } }
  - { service: ['httpbin.default.svc.cluster.local:8000'], config: { a: service } }
  - { domain: ['*.example.com'] }
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: consumer }
spec:
  url: file://b.wasm
  phase: AUTHZ
  defaultConfigDisable: true
  matchRules: [{ domain: [a.com], config: {} }]
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: inherits }
spec:
  url: file://b.wasm
  defaultConfig: { a: default, b: 1, c: { d: 1 } }
  matchRules: [{ domain: [a.com], config: { a: own, c: { e: 2 } } }]
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: idle }
spec: { url: file://c.wasm, defaultConfigDisable: true }
";

fn explained(host: &str, path: &str, change: impl FnOnce(&mut Request)) -> Explanation {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), FOLDER).unwrap();
    let folder = read(folder.path(), StageOrder::Mse).sound().unwrap();
    let routes = Routes::parse(Path::new("routes.yaml"), ROUTES).unwrap();
    let mut request = Request { host: host.into(), path: path.into(), ..Request::default() };
    change(&mut request);
    explain(&folder, &routes, &request, &mut |entry, _| entry.name == "inherits").unwrap()
}

/// What applies of the plug-in `rules`.
fn rules(explanation: &Explanation) -> (String, Value) {
    let met = explanation.plugins.iter().find(|met| met.name == "rules").unwrap();
    match met.applies.clone() {
        Applies::Rule { field, configuration, .. } => {
            (field, configuration.get("a").cloned().unwrap_or_default())
        }
        Applies::Default { configuration } => ("default".into(), configuration["a"].clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn routes_services_and_hosts_choose_the_first_rule_that_matches() {
    let rule = |number: usize, a: Value| (format!("spec.matchRules[{number}]"), a);
    let explanation = explained("FOO.example.com.:8443", "/api/x?y", |_| {});
    assert_eq!(explanation.route.as_deref(), Some("default/foo"));
    assert_eq!(explanation.cluster.as_deref(), Some("outbound|8000||httpbin.default.svc.cluster.local"));
    assert_eq!(rules(&explanation), rule(1, "route".into()));
    assert_eq!(rules(&explained("off.example.com", "/", |_| {})), rule(3, Value::Null));
    let service = Some("httpbin.default.svc.cluster.local:8000".to_owned());
    let by_service = explained("off.example.com", "/", |request| request.service = service);
    assert_eq!(rules(&by_service), rule(2, "service".into()));
    let named = explained("x.org", "/", |request| request.route = Some("default/foo".into()));
    assert_eq!(rules(&named), rule(1, "route".into()));
}

#[test]
fn what_no_route_takes_still_meets_the_plug_ins() {
    let explanation = explained("foo.example.com", "/apiary", |_| {});
    assert_eq!((explanation.route.as_ref(), explanation.cluster.as_ref()), (None, None));
    assert_eq!(rules(&explained("x.org", "/", |_| {})), ("default".into(), "default".into()));
}

#[test]
fn plug_ins_come_in_order_with_those_that_do_nothing() {
    let explanation = explained("x.org", "/", |_| {});
    let names: Vec<_> = explanation.plugins.iter().map(|met| (met.name.as_str(), met.stage)).collect();
    assert_eq!(
        names,
        [("consumer", "authz"), ("rules", "authn"), ("idle", "default"), ("inherits", "default")]
    );
    assert_eq!(explanation.plugins[0].applies, Applies::Nothing);
    assert_eq!(explanation.plugins[2].applies, Applies::Disabled);
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["plugins"][1]["applies"], "default");
    assert_eq!(json["plugins"][1]["configuration"]["a"], "default");
}

#[test]
fn a_rule_that_starts_from_the_global_fields_has_them() {
    let explanation = explained("a.com", "/", |_| {});
    let met = explanation.plugins.iter().find(|met| met.name == "inherits").unwrap();
    let Applies::Rule { configuration, inherited, .. } = &met.applies else { panic!("{met:?}") };
    // A field counts as a whole.
    let expected = serde_json::json!({ "a": "own", "c": { "e": 2 }, "b": 1 });
    assert_eq!(Value::Object(configuration.clone()), expected);
    assert_eq!(*inherited, ["b"]);
}
