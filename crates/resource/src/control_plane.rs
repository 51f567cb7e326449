//! The resources of the three control planes, read into plug-ins and written from them.

use config::{ConfigError, Every};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::hints;
use crate::wasm_plugin::is_default;
use crate::{
    EnvVar, FailStrategy, MatchRule, Object, PolicyEntry, PullPolicy, Spec, Stage, VmConfig, WasmPlugin,
};

/// The control planes whose resources deploy plug-ins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum ControlPlane {
    /// Higress and MSE: WasmPlugin, extensions.higress.io/v1alpha1
    #[default]
    Higress,
    /// Istio: WasmPlugin, extensions.istio.io/v1alpha1
    Istio,
    /// Envoy Gateway: EnvoyExtensionPolicy, gateway.envoyproxy.io/v1alpha1
    EnvoyGateway,
}

impl ControlPlane {
    /// All control planes.
    pub const ALL: [Self; 3] = [Self::Higress, Self::Istio, Self::EnvoyGateway];

    /// The `apiVersion` of its resources.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Higress => "extensions.higress.io/v1alpha1",
            Self::Istio => "extensions.istio.io/v1alpha1",
            Self::EnvoyGateway => "gateway.envoyproxy.io/v1alpha1",
        }
    }

    /// The `kind` of its resources.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Higress | Self::Istio => "WasmPlugin",
            Self::EnvoyGateway => "EnvoyExtensionPolicy",
        }
    }

    /// The name for messages.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Higress => "Higress",
            Self::Istio => "Istio",
            Self::EnvoyGateway => "Envoy Gateway",
        }
    }
}

/// A resource with its `spec`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<S> {
    api_version: String,
    kind: String,
    #[serde(default)]
    metadata: Object,
    spec: S,
    /// Present in a resource that was read back from a cluster; it says nothing about the deployment.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "accepted, not used")]
    status: Option<Object>,
}

/// The `spec` of Istio's WasmPlugin, with the names and defaults of the published API.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct IstioSpec {
    #[serde(skip_serializing_if = "Object::is_empty")]
    selector: Object,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_refs: Vec<Object>,
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sha256: String,
    #[serde(skip_serializing_if = "is_default")]
    image_pull_policy: PullPolicy,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_pull_secret: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    verification_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    plugin_name: String,
    phase: Stage,
    priority: i32,
    fail_strategy: IstioFailStrategy,
    #[serde(skip_serializing_if = "is_default")]
    vm_config: VmConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_config: Option<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    r#match: Vec<TrafficSelector>,
    #[serde(skip_serializing_if = "is_default")]
    r#type: PluginType,
}

#[derive(Default, Deserialize, Serialize)]
enum IstioFailStrategy {
    #[default]
    #[serde(rename = "FAIL_CLOSE", alias = "FAIL_RELOAD")]
    Close,
    #[serde(rename = "FAIL_OPEN")]
    Open,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct TrafficSelector {
    mode: String,
    ports: Vec<Object>,
}

#[derive(Default, PartialEq, Deserialize, Serialize)]
enum PluginType {
    #[default]
    #[serde(rename = "UNSPECIFIED_PLUGIN_TYPE", alias = "HTTP")]
    Http,
    #[serde(rename = "NETWORK")]
    Network,
}

/// The `spec` of an EnvoyExtensionPolicy. Extensions of other kinds are accepted and not used.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicySpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_refs: Vec<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_selectors: Vec<Object>,
    #[serde(skip_serializing_if = "String::is_empty")]
    merge_type: String,
    wasm: Vec<Extension>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ext_proc: Vec<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lua: Vec<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dynamic_module: Vec<Object>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extension {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, rename = "rootID", skip_serializing_if = "String::is_empty")]
    root_id: String,
    code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Object>,
    #[serde(default)]
    fail_open: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    env: Environment,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    r#type: CodeType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<Http>,
    #[serde(default, skip_serializing_if = "is_default")]
    pull_policy: PullPolicy,
}

#[derive(Deserialize, Serialize)]
enum CodeType {
    #[serde(rename = "HTTP")]
    Http,
    Image,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    url: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pull_secret_ref: Option<Object>,
    /// The certificates that a cluster trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<Object>,
}

#[derive(Default, Deserialize, Serialize)]
struct Http {
    url: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sha256: String,
    /// The certificates that a cluster trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<Object>,
}

#[derive(Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Environment {
    host_keys: Vec<String>,
}

/// The plug-ins of a resource, and everything that is wrong with it. What is wrong is left out of the plug-ins.
pub(crate) fn plugins(resource: &Value) -> (Vec<WasmPlugin>, Vec<ConfigError>) {
    let plane = match control_plane(resource) {
        Ok(plane) => plane,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let resource = without_nulls(resource, plane);
    let (plugins, errors) = match plane {
        ControlPlane::Higress => every(&resource, |Resource::<Spec> { metadata, spec, .. }| {
            vec![WasmPlugin { metadata, spec, ..WasmPlugin::default() }]
        }),
        ControlPlane::Istio => every(&resource, istio),
        ControlPlane::EnvoyGateway => every(&resource, policy),
    };
    (plugins, errors.into_iter().map(|error| hints::better(error, &resource, plane)).collect())
}

/// Reads a resource with all that is wrong with it left out.
fn every<S: DeserializeOwned>(
    resource: &Value,
    plugins: impl FnOnce(Resource<S>) -> Vec<WasmPlugin>,
) -> (Vec<WasmPlugin>, Vec<ConfigError>) {
    let (read, every) = Every::read::<Resource<S>>(resource, None);
    let mut plugins = read.map(plugins).unwrap_or_default();
    if !every.errors().is_empty() {
        // Where they were before something was left out.
        for plugin in &mut plugins {
            plugin.restore(&every);
        }
    }
    (plugins, every.into_errors())
}

impl WasmPlugin {
    /// Gives lists their length back, so that places in them are the written ones: what was wrong is as if disabled.
    fn restore(&mut self, every: &Every) {
        let rules = std::mem::take(&mut self.spec.match_rules);
        for (index, rule) in rules.into_iter().enumerate() {
            let written = every.original(&format!("spec.matchRules[{index}]"));
            let at = written.rsplit_once('[').and_then(|(_, at)| at.trim_end_matches(']').parse().ok());
            while at.is_some_and(|at: usize| self.spec.match_rules.len() < at) {
                self.spec.match_rules.push(MatchRule { config_disable: true, ..MatchRule::default() });
            }
            self.spec.match_rules.push(rule);
        }
        if self.control_plane == ControlPlane::EnvoyGateway {
            let written = every.original(&format!("spec.wasm[{}]", self.extension.index));
            let at = written.rsplit_once('[').and_then(|(_, at)| at.trim_end_matches(']').parse().ok());
            self.extension.index = at.unwrap_or(self.extension.index);
        }
    }
}

/// The control plane of a resource, by its kind and the group of its API.
fn control_plane(resource: &Value) -> Result<ControlPlane, ConfigError> {
    let text = |key: &str| resource.get(key).and_then(Value::as_str);
    let missing = |key: &str| {
        let message = match resource.get(key) {
            None => return ConfigError::new("", format!("`{key}` is missing: add it")),
            Some(_) => "must be a string: put it in quotes",
        };
        ConfigError::new(key, message)
    };
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        let unreadable = ["apiVersion", "kind"].into_iter().find(|key| text(key).is_none());
        return Err(missing(unreadable.unwrap_or("kind")));
    };
    let is_meant = |plane: &ControlPlane| (plane.api_version(), plane.kind()) == (version, kind);
    if let Some(plane) = ControlPlane::ALL.into_iter().find(is_meant) {
        return Ok(plane);
    }
    Err(hints::api(version, kind))
}

/// The resource without the fields whose value is null, which a cluster takes as not written. Configurations are left
/// alone: what is null there is the plug-in's business.
fn without_nulls(resource: &Value, plane: ControlPlane) -> Value {
    fn clean(value: &mut Value, depth: usize) {
        match value {
            Value::Object(fields) => {
                fields.retain(|_, value| !value.is_null());
                for (name, value) in fields {
                    let is_configuration =
                        ["config", "defaultConfig", "pluginConfig"].contains(&name.as_str());
                    if !is_configuration && depth > 0 {
                        clean(value, depth - 1);
                    }
                }
            }
            Value::Array(entries) if depth > 0 => {
                entries.iter_mut().for_each(|entry| clean(entry, depth - 1))
            }
            _ => {}
        }
    }
    let mut cleaned = resource.clone();
    // As deep as the fields that are read here.
    let depth = if plane == ControlPlane::EnvoyGateway { 6 } else { 4 };
    cleaned.get_mut("spec").into_iter().for_each(|spec| clean(spec, depth));
    if let Some(resource) = cleaned.as_object_mut() {
        resource.retain(|name, value| !(value.is_null() && name != "spec"));
    }
    cleaned
}

fn istio(resource: Resource<IstioSpec>) -> Vec<WasmPlugin> {
    let Resource { metadata, spec, .. } = resource;
    let targets = spec.target_ref.into_iter().chain(spec.target_refs).collect();
    let spec = Spec {
        selector: spec.selector,
        url: spec.url,
        sha256: spec.sha256,
        image_pull_policy: spec.image_pull_policy,
        image_pull_secret: spec.image_pull_secret,
        verification_key: spec.verification_key,
        plugin_config: Some(spec.plugin_config.unwrap_or_default()),
        plugin_name: spec.plugin_name,
        phase: spec.phase,
        priority: spec.priority,
        fail_strategy: match spec.fail_strategy {
            IstioFailStrategy::Close => FailStrategy::Close,
            IstioFailStrategy::Open => FailStrategy::Open,
        },
        vm_config: spec.vm_config,
        ..Spec::default()
    };
    let control_plane = ControlPlane::Istio;
    vec![WasmPlugin { control_plane, metadata, spec, targets, ..WasmPlugin::default() }]
}

fn policy(resource: Resource<PolicySpec>) -> Vec<WasmPlugin> {
    let Resource { metadata, spec, .. } = resource;
    let targets: Vec<Object> = spec.target_ref.into_iter().chain(spec.target_refs).collect();
    let several = spec.wasm.len() > 1;
    let plugins = spec.wasm.into_iter().zip(0_i32..).map(|(extension, number)| {
        let mut metadata = metadata.clone();
        if several && let Some(Value::String(name)) = metadata.get_mut("name") {
            *name = match extension.name.as_str() {
                "" => format!("{name}-{number}"),
                own => format!("{name}-{own}"),
            };
        }
        let index = usize::try_from(number).unwrap_or_default();
        WasmPlugin {
            control_plane: ControlPlane::EnvoyGateway,
            metadata,
            extension: PolicyEntry { index, name: extension.name.clone() },
            targets: targets.clone(),
            spec: extension.spec(number),
        }
    });
    plugins.collect()
}

impl Extension {
    fn spec(self, number: i32) -> Spec {
        let (url, sha256, secret) = match (self.code.r#type, self.code.image, self.code.http) {
            (CodeType::Image, Some(image), _) => {
                let secret = image.pull_secret_ref.as_ref().and_then(|secret| secret.get("name")?.as_str());
                let secret = secret.unwrap_or_default().to_owned();
                (image.url, image.sha256, secret)
            }
            (CodeType::Http, _, Some(http)) => (http.url, http.sha256, String::new()),
            (CodeType::Image, None, _) | (CodeType::Http, _, None) => Default::default(),
        };
        let variable = |name| EnvVar { name, value_from: HOST.into(), value: String::new() };
        Spec {
            url,
            sha256,
            image_pull_policy: self.code.pull_policy,
            image_pull_secret: secret,
            plugin_config: Some(self.config.unwrap_or_default()),
            plugin_name: self.root_id,
            // In the order of the list.
            priority: -number,
            fail_strategy: if self.fail_open { FailStrategy::Open } else { FailStrategy::Close },
            vm_config: VmConfig { env: self.env.host_keys.into_iter().map(variable).collect() },
            ..Spec::default()
        }
    }
}

/// `valueFrom` of a variable whose value is that of the gateway's own environment.
const HOST: &str = "HOST";

/// Writes the resource of the plug-in's control plane, its fields in the order of the published API. A configuration that
/// is empty is left out.
impl Serialize for WasmPlugin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.control_plane {
            ControlPlane::Higress => self.with_spec(&self.spec).serialize(serializer),
            ControlPlane::Istio => self.with_spec(self.istio()).serialize(serializer),
            ControlPlane::EnvoyGateway => self.with_spec(self.policy()).serialize(serializer),
        }
    }
}

impl WasmPlugin {
    fn with_spec<S>(&self, spec: S) -> Resource<S> {
        Resource {
            api_version: self.control_plane.api_version().into(),
            kind: self.control_plane.kind().into(),
            metadata: self.metadata.clone(),
            spec,
            status: None,
        }
    }

    fn istio(&self) -> IstioSpec {
        let spec = self.spec.clone();
        IstioSpec {
            selector: spec.selector,
            target_refs: self.targets.clone(),
            url: spec.url,
            sha256: spec.sha256,
            image_pull_policy: spec.image_pull_policy,
            image_pull_secret: spec.image_pull_secret,
            verification_key: spec.verification_key,
            plugin_name: spec.plugin_name,
            phase: spec.phase,
            priority: spec.priority,
            fail_strategy: match spec.fail_strategy {
                FailStrategy::Close => IstioFailStrategy::Close,
                FailStrategy::Open => IstioFailStrategy::Open,
            },
            vm_config: spec.vm_config,
            plugin_config: spec.plugin_config.filter(|config| !config.is_empty()),
            ..IstioSpec::default()
        }
    }

    fn policy(&self) -> PolicySpec {
        let spec = self.spec.clone();
        let location = spec.location();
        let secret = (!spec.image_pull_secret.is_empty()).then(|| {
            Object::from_iter([
                ("kind".into(), "Secret".into()),
                ("name".into(), json!(spec.image_pull_secret)),
            ])
        });
        // Envoy Gateway's images have no scheme.
        let (r#type, image, http) = match location.strip_prefix("oci://") {
            Some(image) => {
                let image =
                    Image { url: image.into(), sha256: spec.sha256, pull_secret_ref: secret, tls: None };
                (CodeType::Image, Some(image), None)
            }
            None => (CodeType::Http, None, Some(Http { url: location, sha256: spec.sha256, tls: None })),
        };
        let host_keys = spec
            .vm_config
            .env
            .into_iter()
            .filter(|variable| variable.value_from == HOST)
            .map(|variable| variable.name);
        let extension = Extension {
            name: self.extension.name.clone(),
            root_id: spec.plugin_name,
            code: Code { r#type, image, http, pull_policy: spec.image_pull_policy },
            config: spec.plugin_config.filter(|config| !config.is_empty()),
            fail_open: spec.fail_strategy == FailStrategy::Open,
            env: Environment { host_keys: host_keys.collect() },
        };
        PolicySpec { target_refs: self.targets.clone(), wasm: vec![extension], ..PolicySpec::default() }
    }
}
