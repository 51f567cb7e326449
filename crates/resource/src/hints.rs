//! What was meant by a field that a resource does not have: first whether the very name is known at another level or in
//! another API, then the nearest letters.

use config::hints::{is_unknown, names_in, same, value_at};
use config::{ConfigError, nearest};
use serde_json::Value;

use crate::ControlPlane;

/// A level of a resource.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Resource,
    Spec,
    MatchRule,
    /// An entry of a policy's `wasm`.
    Extension,
    Other,
}

/// Fields of a configuration's rules.
const CONDITIONS: [(&str, &str); 3] =
    [("_match_route_", "ingress"), ("_match_domain_", "domain"), ("_match_service_", "service")];
/// Fields of `metadata`.
const METADATA: [&str; 4] = ["name", "namespace", "labels", "annotations"];
/// Fields of Istio's `spec` that Higress's has not.
const OF_ISTIO: [&str; 4] = ["targetRef", "targetRefs", "match", "type"];
/// Fields of Higress's `spec`.
const OF_HIGRESS: [&str; 15] = [
    "selector",
    "url",
    "sha256",
    "imagePullPolicy",
    "imagePullSecret",
    "verificationKey",
    "pluginConfig",
    "pluginName",
    "phase",
    "priority",
    "failStrategy",
    "vmConfig",
    "defaultConfig",
    "defaultConfigDisable",
    "matchRules",
];
/// Fields of a match rule.
const OF_RULE: [&str; 6] = ["ingress", "domain", "service", "routeType", "config", "configDisable"];

/// The error with a hint that leads to what was meant.
pub(crate) fn better(error: ConfigError, resource: &Value, plane: ControlPlane) -> ConfigError {
    let message = if is_unknown(error.message()) {
        unknown(error.path(), plane)
    } else {
        meant_word(error.message(), value_at(resource, error.path()))
    };
    message.map_or_else(|| error.clone(), |message| ConfigError::new(error.path(), message))
}

/// The error with the nearest word, where it is about a value that must be one of a list of words.
pub(crate) fn word(error: ConfigError, value: &Value) -> ConfigError {
    match meant_word(error.message(), value_at(value, error.path())) {
        Some(message) => ConfigError::new(error.path(), message),
        None => error,
    }
}

/// What is said of a plug-in's own field that stands beside `url` or beside a rule's conditions.
#[must_use]
pub fn plugin_field(path: &str, plane: ControlPlane) -> Option<String> {
    let place = match (level(path).0, plane) {
        (Level::MatchRule | Level::Extension, _) => "under `config`",
        (Level::Spec | Level::Resource, ControlPlane::Higress) => "under `spec.defaultConfig`",
        (Level::Spec | Level::Resource, ControlPlane::Istio) => "under `spec.pluginConfig`",
        (Level::Spec | Level::Resource, ControlPlane::EnvoyGateway) => {
            "under `config` of an entry of `spec.wasm`"
        }
        (Level::Other, _) => return None,
    };
    Some(format!("is not a field of the resource but of the plug-in: move it {place}"))
}

/// The level that a path is at, and its last key.
fn level(path: &str) -> (Level, &str) {
    let Some(inside) = path.strip_prefix("spec.") else { return (Level::Resource, path) };
    let entry = |list: &str| {
        let rest = inside.strip_prefix(list)?.strip_prefix('[')?;
        let (index, key) = rest.split_once("].")?;
        index.parse::<usize>().ok().map(|_| key)
    };
    match (entry("matchRules"), entry("wasm")) {
        (Some(key), _) if !key.contains(['.', '[']) => (Level::MatchRule, key),
        (_, Some(key)) if !key.contains(['.', '[']) => (Level::Extension, key),
        (None, None) if !inside.contains(['.', '[']) => (Level::Spec, inside),
        _ => (Level::Other, inside.rsplit('.').next().unwrap_or(inside)),
    }
}

/// What was meant by a key that is not known where it stands.
fn unknown(path: &str, plane: ControlPlane) -> Option<String> {
    let (level, key) = level(path);
    let one_of = |names: &[&str]| names.iter().any(|name| same(name, key));
    let not_here = |instead: &str| Some(format!("is not a field of {}'s resource: {instead}", plane.title()));
    let configuration = match plane {
        ControlPlane::Higress => "defaultConfig",
        ControlPlane::Istio => "pluginConfig",
        ControlPlane::EnvoyGateway => "config",
    };
    match (level, plane) {
        (Level::Resource, _) => {
            if one_of(&METADATA) {
                return Some("belongs under `metadata`: move it there".into());
            }
            if one_of(&OF_HIGRESS) || one_of(&OF_ISTIO) || one_of(&["wasm", "config"]) {
                return Some("belongs under `spec`: move it there".into());
            }
        }
        (Level::Spec, ControlPlane::Higress) => {
            if one_of(&OF_HIGRESS) {
                return None;
            }
            if one_of(&["config", "configuration", "default", "defaults"]) {
                return Some(format!("is not a known field: did you mean `{configuration}`?"));
            }
            if one_of(&["rules", "_rules_", "rule", "matchRule"]) {
                return Some("is not a known field: did you mean `matchRules`?".into());
            }
            if one_of(&["configDisable", "disable", "disabled", "enable", "enabled"]) {
                return Some(
                    "is not a known field: `defaultConfigDisable: true` switches the default off, and \
                             `configDisable: true` one of `matchRules`"
                        .into(),
                );
            }
            if one_of(&OF_ISTIO) {
                return not_here("that of Istio (extensions.istio.io/v1alpha1) has it, remove it here");
            }
        }
        (Level::Spec, ControlPlane::Istio) => {
            if one_of(&["defaultConfig", "config", "configuration"]) {
                return Some(format!("is not a field of Istio's resource: did you mean `{configuration}`?"));
            }
            if one_of(&["matchRules", "rules", "_rules_"]) {
                return not_here("write the rules as `_rules_` in `pluginConfig`");
            }
            if one_of(&["defaultConfigDisable", "configDisable"]) {
                return not_here("that of Higress (extensions.higress.io/v1alpha1) has it, remove it here");
            }
        }
        (Level::Spec, ControlPlane::EnvoyGateway) => {
            if one_of(&["defaultConfig", "pluginConfig", "config"]) {
                return Some("is not a known field: write it as `config` of an entry of `wasm`".into());
            }
            if one_of(&["code", "rootID", "failOpen", "env", "url", "image", "name"]) {
                return Some("belongs into an entry of `wasm`: move it there".into());
            }
            if one_of(&["phase", "priority"]) {
                return not_here("plug-ins run in the order of `wasm`, remove it");
            }
            if one_of(&["selector"]) {
                return not_here("name what the policy is for in `targetRefs`");
            }
        }
        (Level::MatchRule, _) => {
            if one_of(&OF_RULE) {
                return None;
            }
            for (condition, field) in CONDITIONS {
                if same(condition, key) {
                    return Some(format!("is a condition of `_rules_`: write `{field}` in a match rule"));
                }
            }
            if key.starts_with("_match_") {
                return Some(
                    "is a condition that match rules have no field for: write all rules as `_rules_` in `defaultConfig`".into(),
                );
            }
            if one_of(&["defaultConfig", "pluginConfig"]) {
                return Some("is not a known field: did you mean `config`?".into());
            }
            if one_of(&["defaultConfigDisable", "disable", "disabled"]) {
                return Some("is not a known field: did you mean `configDisable`?".into());
            }
            for (words, field) in [
                (&["route", "routes", "ingresses"][..], "ingress"),
                (&["host", "hosts", "hostname", "hostnames", "domains"][..], "domain"),
                (&["services"][..], "service"),
            ] {
                if one_of(words) {
                    return Some(format!("is not a known field: did you mean `{field}`?"));
                }
            }
            if one_of(&["consumer", "consumers"]) {
                return Some(
                    "is a condition that match rules have no field for: write all rules as `_rules_` in \
                     `defaultConfig`, with `_match_consumer_`"
                        .into(),
                );
            }
            if one_of(&OF_HIGRESS) {
                return Some("belongs under `spec`, not into a match rule: move it there".into());
            }
        }
        (Level::Extension, _) => {
            if one_of(&["defaultConfig", "pluginConfig"]) {
                return Some("is not a known field: did you mean `config`?".into());
            }
            if one_of(&["url", "sha256", "image", "http"]) {
                return Some("belongs under `code`: write `code: { type: Image, image: { url: … } }`".into());
            }
            if one_of(&["failStrategy", "failurePolicy"]) {
                return Some("is not a known field: write `failOpen: true` or `failOpen: false`".into());
            }
            if one_of(&["pluginName"]) {
                return Some("is not a known field: write `name`, or `rootID`".into());
            }
            if one_of(&["phase", "priority"]) {
                return not_here("plug-ins run in the order of `wasm`, remove it");
            }
        }
        (Level::Other, _) => return None,
    }
    // The resources' fields are in camel case, and plug-ins' with underscores.
    let known: &[&str] = match (level, plane) {
        (Level::Spec, _) => &OF_HIGRESS,
        (Level::MatchRule, _) => &OF_RULE,
        _ => &[],
    };
    let is_snake_case = key.contains('_') && !key.starts_with('_') && key == key.to_ascii_lowercase();
    if is_snake_case && !known.iter().any(|name| same(name, key)) { plugin_field(path, plane) } else { None }
}

/// `phase: authn` is meant for `AUTHN`: what names a word of a list, but for its case or a letter.
fn meant_word(message: &str, value: Option<&Value>) -> Option<String> {
    let list = message.strip_prefix("must be one of ")?;
    let known: Vec<&str> = names_in(list).collect();
    let written = value?.as_str()?;
    let meant = match written.to_ascii_uppercase().as_str() {
        "" | "DEFAULT" | "UNSPECIFIED" => known.iter().copied().find(|name| name.starts_with("UNSPECIFIED")),
        "NEVER" => known.iter().copied().find(|name| *name == "IfNotPresent"),
        _ => nearest(written, &known),
    };
    Some(format!("must be one of {list}: did you mean `{}`?", meant?))
}

/// What is wrong with a group and kind that deploy no plug-in, and come near one that does.
pub(crate) fn api(version: &str, kind: &str) -> ConfigError {
    let apis = |kind: &str| -> Vec<&'static str> {
        ControlPlane::ALL
            .into_iter()
            .filter(|plane| plane.kind() == kind)
            .map(ControlPlane::api_version)
            .collect()
    };
    let of_kind = apis(kind);
    if of_kind.is_empty() {
        let kinds = ["WasmPlugin", "EnvoyExtensionPolicy"];
        let known = nearest(kind, &kinds).map_or_else(
            || "write WasmPlugin or EnvoyExtensionPolicy".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return ConfigError::new("kind", format!("is not a kind that deploys plug-ins: {known}"));
    }
    let meant = nearest(version, &of_kind);
    let group = version.split('/').next().unwrap_or_default();
    let of_group = of_kind.iter().copied().find(|known| known.split('/').next() == Some(group));
    let hint = match of_group.or(meant) {
        Some(near) => format!(": did you mean `{near}`?"),
        None => String::new(),
    };
    let list = of_kind.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(" or ");
    ConfigError::new("apiVersion", format!("must be {list} for a {kind}{hint}"))
}
