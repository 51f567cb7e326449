//! What a resource says about a plug-in, and the document that comes of it.

use config::ConfigError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ControlPlane, Stage, control_plane, yaml};

/// A JSON object, as a configuration is.
pub type Object = Map<String, Value>;

/// A plug-in that a resource deploys, in the words of Higress's resource whatever the control plane.
#[derive(Debug, Clone, Default)]
pub struct WasmPlugin {
    /// The control plane that the resource is for.
    pub control_plane: ControlPlane,
    /// Name, namespace, labels and annotations of the resource. Of a policy that has several plug-ins, the name is that
    /// of the plug-in.
    pub metadata: Object,
    /// The module, its place in the chain, and its configuration.
    pub spec: Spec,
    /// The Gateways and routes that the resource is attached to; Higress has none.
    pub targets: Vec<Object>,
    /// The entry of an Envoy Gateway policy.
    pub extension: PolicyEntry,
}

/// An entry of the `wasm` list of an EnvoyExtensionPolicy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyEntry {
    /// The index in the list.
    pub index: usize,
    /// The entry's name.
    pub name: String,
}

/// The `spec` of the resource, with the names and defaults of the published API.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Labels of the gateways that it is for; all gateways when absent.
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub selector: Object,
    /// Where the module is, as it is written; see [`location`](Self::location).
    pub url: String,
    /// The digest of the module, or of the manifest for `oci://`, in hex.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// When to fetch again.
    #[serde(skip_serializing_if = "is_default")]
    pub image_pull_policy: PullPolicy,
    /// The secret that holds the credentials of the registry.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image_pull_secret: String,
    /// Part of the API, not implemented by the control plane.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub verification_key: String,
    /// The plug-in's name in the gateway.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub plugin_name: String,
    /// The stage that it runs in.
    pub phase: Stage,
    /// Its place in the stage: a larger one runs first.
    pub priority: i32,
    /// The effect of a module that fails.
    pub fail_strategy: FailStrategy,
    /// The environment of its VM.
    #[serde(skip_serializing_if = "is_default")]
    pub vm_config: VmConfig,
    /// Overrides everything below when present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_config: Option<Object>,
    /// The configuration for requests that no rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_config: Option<Object>,
    /// Leaves `default_config` out.
    #[serde(skip_serializing_if = "is_default")]
    pub default_config_disable: bool,
    /// Configurations for some requests, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_rules: Vec<MatchRule>,
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `imagePullPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names of the published API, which are all there is to say")]
pub enum PullPolicy {
    #[default]
    #[serde(rename = "UNSPECIFIED_POLICY")]
    Unspecified,
    IfNotPresent,
    Always,
}

/// The effect of a module that fails to load or traps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum FailStrategy {
    /// Requests get a 503 response.
    #[default]
    #[serde(rename = "FAIL_CLOSE")]
    Close,
    /// Requests pass without the plug-in.
    #[serde(rename = "FAIL_OPEN")]
    Open,
}

impl FailStrategy {
    /// The value of `failStrategy` in a resource and in `plugin.yaml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Close => "FAIL_CLOSE",
            Self::Open => "FAIL_OPEN",
        }
    }
}

/// `vmConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct VmConfig {
    /// Environment variables.
    pub env: Vec<EnvVar>,
}

/// One environment variable of a plug-in's VM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// `INLINE` or `HOST`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value_from: String,
    /// Its value, for `INLINE`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// One of `matchRules`: which requests, and their configuration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchRule {
    /// Names of ingresses (routes).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<String>,
    /// Host names, with a `*` at either end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<String>,
    /// Fully qualified names of services, with or without a port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<String>,
    /// `HTTP` or `GRPC`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub route_type: String,
    /// The rule's fields; none is the same as `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Object>,
    /// Leaves the rule out: its requests fall through to later ones.
    #[serde(skip_serializing_if = "is_default")]
    pub config_disable: bool,
}

/// What the control plane makes of a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Deployment {
    /// The plug-in runs with this document; an empty one when nothing is configured.
    Document(Object),
    /// The plug-in does not run at all: `defaultConfigDisable` is set, and no rule is in force.
    NotDeployed,
}

impl WasmPlugin {
    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place: `spec.matchRules[1].domian: …`.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let documents = yaml::read(text).map_err(|error| ConfigError::new("", error.to_string()))?;
        match documents.as_slice() {
            [document] => Self::from_json(&document.to_json()),
            [] => Err(ConfigError::new("", "is empty: write a WasmPlugin resource")),
            _ => Err(ConfigError::new("", "holds several documents: write one resource")),
        }
    }

    /// Reads one resource from the JSON that it is in a cluster.
    ///
    /// # Errors
    ///
    /// As for [`from_yaml`](Self::from_yaml).
    pub fn from_json(resource: &Value) -> Result<Self, ConfigError> {
        if resource.is_null() {
            return Err(ConfigError::new("", "is empty: write a WasmPlugin resource"));
        }
        let (plugins, errors) = control_plane::plugins(resource);
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        let mut plugins = plugins.into_iter();
        match (plugins.next(), plugins.next()) {
            (Some(plugin), None) => Ok(plugin),
            (None, _) => Err(ConfigError::new("spec", "has no plug-in: write one into `wasm`")),
            (Some(_), Some(_)) => Err(ConfigError::new("spec.wasm", "holds several plug-ins: write one")),
        }
    }

    /// The document that the plug-in gets.
    ///
    /// # Errors
    ///
    /// A rule in force that has no condition: the control plane refuses the whole resource.
    pub fn deployment(&self) -> Result<Deployment, ConfigError> {
        let spec = &self.spec;
        if let Some(document) = &spec.plugin_config {
            return Ok(Deployment::Document(document.clone()));
        }
        let mut document = match &spec.default_config {
            Some(base) if !spec.default_config_disable => base.clone(),
            _ => Object::new(),
        };
        let mut rules = Vec::new();
        for (index, rule) in spec.match_rules.iter().enumerate().filter(|(_, rule)| !rule.config_disable) {
            rules.push(Value::Object(rule.with_conditions().ok_or_else(|| {
                ConfigError::new(
                    format!("spec.matchRules[{index}]"),
                    "has no condition, and the control plane refuses the whole resource: add `ingress`, `domain` or `service`",
                )
            })?));
        }
        if !rules.is_empty() {
            document.insert("_rules_".into(), Value::Array(rules));
        } else if spec.default_config_disable {
            return Ok(Deployment::NotDeployed);
        }
        Ok(Deployment::Document(document))
    }
}

impl MatchRule {
    /// The rule as it stands in the document, or nothing when it has no condition.
    fn with_conditions(&self) -> Option<Object> {
        let mut config = self.config.clone().unwrap_or_default();
        let mut any = false;
        for (key, names) in [
            ("_match_route_", &self.ingress),
            ("_match_service_", &self.service),
            ("_match_domain_", &self.domain),
        ] {
            if !names.is_empty() {
                config.insert(key.into(), names.iter().cloned().map(Value::String).collect());
                any = true;
            }
        }
        any.then_some(config)
    }
}
