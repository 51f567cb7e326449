//! Each mistake of a table leads to what was meant.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may stop")]

use config::{ConfigError, hints};
use resource::{Content, yaml};
use serde_json::{Value, json};

fn schema() -> Value {
    let endpoint = json!({
        "type": "object",
        "x-not-here": { "service_source": "remove it, and put the kind into `service_name` (`auth.static`)" },
        "properties": { "service_name": { "type": "string" }, "service_port": { "type": "integer" } },
    });
    json!({ "type": "object", "properties": {
        "http_service": { "type": "object", "properties": {
            "endpoint": endpoint,
            "timeout": { "type": "integer", "description": "How long an answer may take, in milliseconds." },
            "allowed_headers": { "type": "array" },
        } },
        "ttl": { "type": "integer", "description": "Seconds." },
        "max_bytes": { "type": "integer", "description": "The most bytes." },
        "count": { "type": "integer", "description": "How many." },
        "dry_run": { "type": "boolean" },
        "match_type": { "type": "string" },
        "mode": { "type": "string", "enum": ["block", "detect"] },
        "items": { "type": "array", "items": { "type": "object", "properties": { "quota": { "type": "integer" } } } },
    } })
}

#[test]
fn a_field_that_is_not_known_here_is_looked_for_everywhere_before_its_letters_are_compared() {
    let unknown = "is not a known field: did you mean `something`?";
    for (path, words) in [
        (
            "http_service.endpoint.service_source",
            "is not used here: remove it, and put the kind into `service_name`",
        ),
        // The same letters at the same level need no other hint.
        ("httpService", unknown),
        ("http_service.endpoint.servicePort", unknown),
        ("_rules_[2].dryRun", unknown),
        ("endpoint", "is a field of `http_service`: move it there"),
        ("service_name", "is a field of `http_service.endpoint`: move it there"),
        ("http_service.service_name", "is a field of `http_service.endpoint`: move it there"),
        ("http_service.dry_run", "is a field of the configuration itself: move it there"),
        ("_rules_[0].timeout", "is a field of `http_service`: move it there"),
        ("quota", "is a field of an entry of `items`: move it there"),
        ("service_nam", "did you mean `service_name`, a field of `http_service.endpoint`?"),
        // A part of one name at this level.
        ("bytes", "did you mean `max_bytes`?"),
        ("http_service.headers", "did you mean `allowed_headers`?"),
        // It is in `items` already.
        ("items[0].item", unknown),
        // A slip at the level itself is what the plug-in says.
        ("http_service.endpoint.service_nam", unknown),
        ("rules", "rules are written into `_rules_`"),
        ("match_rules", "rules are written into `_rules_`"),
        ("matchRules", "rules are written into `_rules_`"),
        ("_rules_[0]._rules_", "rules do not nest"),
        ("http_service.rules", "rules do not nest"),
        ("_rules_[0].domain", "the condition of a rule is `_match_domain_`"),
        ("_rules_[0].ingress", "the condition of a rule is `_match_route_`"),
        ("service", "write a rule with the condition `_match_service_` into `_rules_`"),
        ("config", "this is the plug-in's configuration already"),
        ("defaultConfig", "this is the plug-in's configuration already"),
        ("_rules_[0].config", "this is the plug-in's configuration already"),
        ("phase", "is a field of the resource, not of the plug-in: move it under `spec`"),
        ("failStrategy", "move it under `spec`"),
        ("configDisable", "move it beside `config`"),
        ("metadata", "move it to the top of the file"),
    ] {
        let error = hints::better(ConfigError::new(path, unknown), &json!({}), &schema());
        assert_eq!(error.path(), path);
        assert!(error.message().contains(words), "{path}: {}", error.message());
    }
}

#[test]
fn a_value_of_another_kind_is_told_what_to_write() {
    let number = "must be a whole number from 1 to 4294967295, found string: write it without quotes";
    let boolean = "must be true or false, found string: write it without quotes";
    let string = "must be a string, found list";
    for (path, value, message, words) in [
        (
            "http_service.timeout",
            json!("200ms"),
            number,
            "counts milliseconds and must be a number: write 200",
        ),
        (
            "_rules_[0].http_service.timeout",
            json!("1.5s"),
            number,
            "counts milliseconds and must be a number: write 1500",
        ),
        ("http_service.timeout", json!("2 S"), number, "write 2000"),
        ("http_service.timeout", json!("soon"), number, "write one without quotes and without a unit"),
        ("http_service.timeout", json!("200"), number, number),
        ("ttl", json!("5m"), number, "counts seconds and must be a number: write 300"),
        ("ttl", json!("1d"), number, "write 86400"),
        ("max_bytes", json!("1Mi"), number, "counts bytes and must be a number: write 1048576"),
        ("max_bytes", json!("64KB"), number, "write 64000"),
        ("count", json!("10s"), number, "must be a number without a unit: write 10"),
        ("count", json!("ten"), number, number),
        ("dry_run", json!("yes"), boolean, "write `true` or `false`"),
        ("dry_run", json!("true"), boolean, boolean),
        ("match_type", json!(["a"]), string, "write its entry alone, without brackets or the dash"),
        ("match_type", json!(["a", "b"]), string, string),
        ("http_service", json!([{}]), "must be an object, found list", "write its entry alone"),
        ("http_service", json!([{}, {}]), "must be an object, found list", "write the fields without dashes"),
        ("items", json!({ "quota": 1 }), "must be a list, found object", "begin each entry with a dash"),
        ("mode", json!(true), "must be one of its names, found true or false", "must be `block` or `detect`"),
        (
            "match_type",
            json!("Whitelist"),
            "must be one of `whitelist` and `blacklist`",
            "did you mean `whitelist`?",
        ),
        // Only numbers are shown, because other values may be secrets.
        ("http_service.timeout", json!("s3cr3t"), number, "write one without quotes and without a unit"),
    ] {
        let mut document = json!({});
        let mut place = &mut document;
        let keys: Vec<&str> = path.split('.').collect();
        for key in keys {
            place = match key.strip_suffix("[0]") {
                Some(list) => {
                    place[list] = json!([{}]);
                    &mut place[list][0]
                }
                None => &mut place[key],
            };
        }
        *place = value.clone();
        let error = hints::better(ConfigError::new(path, message), &document, &schema());
        assert!(error.message().contains(words), "{path} {value}: {}", error.message());
    }
}

/// The errors of a resource, `path: message`.
fn errors(text: &str) -> Vec<String> {
    let documents = yaml::read(text).unwrap();
    let found = resource::read(&documents[0]);
    found.iter().flat_map(|found| &found.errors).map(ToString::to_string).collect()
}

const HIGRESS: &str = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nspec: ";
const ISTIO: &str = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec: ";
const GATEWAY: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nspec: ";
const CODE: &str = "code: { type: Image, image: { url: a.com/b } }";

#[test]
fn a_resources_fields_are_looked_for_at_every_level_and_in_every_api() {
    for (head, spec, expected) in [
        (HIGRESS, "{ config: {} }", "spec.config: is not a known field: did you mean `defaultConfig`?"),
        (
            HIGRESS,
            "{ default_config: {} }",
            "spec.default_config: is not a known field: did you mean `defaultConfig`?",
        ),
        (HIGRESS, "{ rules: [] }", "spec.rules: is not a known field: did you mean `matchRules`?"),
        (HIGRESS, "{ _rules_: [] }", "spec._rules_: is not a known field: did you mean `matchRules`?"),
        (
            HIGRESS,
            "{ match_rules: [] }",
            "spec.match_rules: is not a known field: did you mean `matchRules`?",
        ),
        (
            HIGRESS,
            "{ http_service: {} }",
            "spec.http_service: is not a field of the resource but of the plug-in: move it under `spec.defaultConfig`",
        ),
        (
            HIGRESS,
            "{ targetRefs: [] }",
            "spec.targetRefs: is not a field of Higress's resource: that of Istio",
        ),
        (HIGRESS, "{ enabled: true }", "`defaultConfigDisable: true` switches the default off"),
        (HIGRESS, "{ priorty: 1 }", "spec.priorty: is not a known field: did you mean `priority`?"),
        (
            HIGRESS,
            "{ priority: '10' }",
            "spec.priority: must be a whole number that fits, found string: write it without quotes",
        ),
        (HIGRESS, "{ phase: authn }", "did you mean `AUTHN`?"),
        (HIGRESS, "{ phase: default }", "did you mean `UNSPECIFIED_PHASE`?"),
        (HIGRESS, "{ failStrategy: FAIL_CLOSED }", "did you mean `FAIL_CLOSE`?"),
        (HIGRESS, "{ imagePullPolicy: ifnotpresent }", "did you mean `IfNotPresent`?"),
        (
            HIGRESS,
            "{ matchRules: [{ domains: [a] }] }",
            "spec.matchRules[0].domains: is not a known field: did you mean `domain`?",
        ),
        (HIGRESS, "{ matchRules: [{ _match_domain_: [a] }] }", "write `domain` in a match rule"),
        (
            HIGRESS,
            "{ matchRules: [{ _match_consumer_: [a] }] }",
            "write all rules as `_rules_` in `defaultConfig`",
        ),
        (HIGRESS, "{ matchRules: [{ route: [a] }] }", "did you mean `ingress`?"),
        (HIGRESS, "{ matchRules: [{ block_urls: [a] }] }", "move it under `config`"),
        (HIGRESS, "{ matchRules: [{ defaultConfig: {} }] }", "did you mean `config`?"),
        (HIGRESS, "{ matchRules: [{ phase: AUTHN }] }", "belongs under `spec`, not into a match rule"),
        (HIGRESS, "{ matchRules: { domain: [a] } }", "spec.matchRules: must be a list, found object"),
        (HIGRESS, "{}\nurl: a", "url: belongs under `spec`: move it there"),
        (HIGRESS, "{}\nname: a", "name: belongs under `metadata`: move it there"),
        (ISTIO, "{ defaultConfig: {} }", "is not a field of Istio's resource: did you mean `pluginConfig`?"),
        (ISTIO, "{ config: {} }", "did you mean `pluginConfig`?"),
        (ISTIO, "{ matchRules: [] }", "write the rules as `_rules_` in `pluginConfig`"),
        (ISTIO, "{ block_urls: [a] }", "move it under `spec.pluginConfig`"),
        (ISTIO, "{ pluginNam: a }", "did you mean `pluginName`?"),
        (GATEWAY, "{ pluginConfig: {} }", "write it as `config` of an entry of `wasm`"),
        (GATEWAY, "{ priority: 1 }", "plug-ins run in the order of `wasm`"),
        (
            GATEWAY,
            &format!("{{ wasm: [{{ {CODE}, pluginConfig: {{}} }}] }}"),
            "spec.wasm[0].pluginConfig: is not a known field: did you mean `config`?",
        ),
        (
            GATEWAY,
            &format!("{{ wasm: [{{ {CODE}, failStrategy: FAIL_OPEN }}] }}"),
            "write `failOpen: true` or `failOpen: false`",
        ),
        (GATEWAY, &format!("{{ wasm: [{{ {CODE}, url: a }}] }}"), "belongs under `code`"),
    ] {
        let errors = errors(&format!("{head}{spec}\n"));
        let [error] = errors.as_slice() else { panic!("{head}{spec}: {errors:?}") };
        assert!(error.contains(expected), "{head}{spec}: {error}");
    }
}

#[test]
fn a_slip_in_the_kind_or_the_api_is_told_from_another_kind() {
    for (version, kind, expected) in [
        (
            "extensions.higress.io/v1alpha1",
            "WasmPlugn",
            "kind: is not a kind that deploys plug-ins: did you mean `WasmPlugin`?",
        ),
        ("extensions.higress.io/v1alpha1", "wasmplugin", "did you mean `WasmPlugin`?"),
        ("extension.higress.io/v1alpha1", "WasmPlugin", "did you mean `extensions.higress.io/v1alpha1`?"),
        ("extensions.higress.io/v1", "WasmPlugin", "did you mean `extensions.higress.io/v1alpha1`?"),
        ("extensions.istio.io/v1beta1", "WasmPlugin", "did you mean `extensions.istio.io/v1alpha1`?"),
        (
            "v1",
            "WasmPlugin",
            "apiVersion: must be `extensions.higress.io/v1alpha1` or `extensions.istio.io/v1alpha1` for a WasmPlugin",
        ),
        ("gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicies", "did you mean `EnvoyExtensionPolicy`?"),
    ] {
        let errors = errors(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{}}\nspec: {{}}\n"));
        assert!(errors.len() == 1 && errors[0].contains(expected), "{version} {kind}: {errors:?}");
    }
    for (version, kind) in [
        ("networking.k8s.io/v1", "Ingress"),
        ("gateway.envoyproxy.io/v1alpha1", "EnvoyProxy"),
        ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy"),
        ("networking.istio.io/v1alpha3", "EnvoyFilter"),
        ("networking.higress.io/v1", "McpBridge"),
        ("v1", "ConfigMap"),
    ] {
        let documents = yaml::read(&format!("apiVersion: {version}\nkind: {kind}\nspec: {{}}\n")).unwrap();
        let found = resource::read(&documents[0]);
        assert!(matches!(&found[0].content, Content::Other { kind: found } if found == kind), "{found:?}");
    }
}

#[test]
fn all_mistakes_of_a_resource_are_found_where_they_are_written() {
    let text = format!(
        "{HIGRESS}{{ priorty: 1, phase: AUTHX, matchRules: [5, {{ domian: [a], ingress: [1, a, 2] }}, {{ domain: [b], config: {{ a: 1 }} }}] }}\n"
    );
    let errors = errors(&text);
    let paths: Vec<&str> = errors.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "spec.priorty",
            "spec.phase",
            "spec.matchRules[0]",
            "spec.matchRules[1].domian",
            "spec.matchRules[1].ingress[0]",
            "spec.matchRules[1].ingress[2]"
        ]
    );
    // What is left is in its place.
    let documents = yaml::read(&text).unwrap();
    let found = resource::read(&documents[0]);
    let Content::Plugins(plugins) = &found[0].content else { panic!("{found:?}") };
    assert_eq!(plugins[0].origin("_rules_[1].a"), "spec.matchRules[2].config.a");
}
