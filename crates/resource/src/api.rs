//! The resources of the three APIs as they are written, turned into plug-ins.

use config::{ConfigError, Every};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hints;
use crate::{EnvVar, FailStrategy, MatchRule, Object, PullPolicy, Spec, Stage, VmConfig, WasmPlugin};

/// Whose resource deploys a plug-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Higress's and MSE's `WasmPlugin`.
    Higress,
    /// Istio's `WasmPlugin`.
    Istio,
    /// Envoy Gateway's `EnvoyExtensionPolicy`.
    EnvoyGateway {
        /// Which of its `wasm` the plug-in is, from 0.
        wasm: usize,
    },
}

impl Api {
    /// The group and version that its resources name.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Higress => "extensions.higress.io/v1alpha1",
            Self::Istio => "extensions.istio.io/v1alpha1",
            Self::EnvoyGateway { .. } => "gateway.envoyproxy.io/v1alpha1",
        }
    }

    /// The kind of its resources.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Higress | Self::Istio => "WasmPlugin",
            Self::EnvoyGateway { .. } => "EnvoyExtensionPolicy",
        }
    }

    /// The name that people know.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Higress => "Higress",
            Self::Istio => "Istio",
            Self::EnvoyGateway { .. } => "Envoy Gateway",
        }
    }

    pub(crate) const ALL: [Self; 3] = [Self::Higress, Self::Istio, Self::EnvoyGateway { wasm: 0 }];
}

/// What stands around a `spec`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource<S> {
    #[expect(dead_code, reason = "has been looked at before")]
    api_version: String,
    #[expect(dead_code, reason = "has been looked at before")]
    kind: String,
    #[serde(default)]
    metadata: Object,
    spec: S,
    /// What a cluster has written into a resource that was read back from it.
    #[serde(default)]
    #[expect(dead_code, reason = "says nothing about what is deployed")]
    status: Option<Object>,
}

/// The `spec` of Istio's WasmPlugin, with the names and defaults of the published API.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IstioSpec {
    selector: Object,
    target_ref: Option<Object>,
    target_refs: Vec<Object>,
    url: String,
    sha256: String,
    image_pull_policy: PullPolicy,
    image_pull_secret: String,
    verification_key: String,
    plugin_config: Option<Object>,
    plugin_name: String,
    phase: Stage,
    priority: i32,
    fail_strategy: IstioFailStrategy,
    vm_config: VmConfig,
    r#match: Vec<TrafficSelector>,
    r#type: PluginType,
}

#[derive(Default, Deserialize)]
enum IstioFailStrategy {
    #[default]
    #[serde(rename = "FAIL_CLOSE", alias = "FAIL_RELOAD")]
    Close,
    #[serde(rename = "FAIL_OPEN")]
    Open,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TrafficSelector {
    mode: String,
    ports: Vec<Object>,
}

#[derive(Default, Deserialize)]
enum PluginType {
    #[default]
    #[serde(rename = "UNSPECIFIED_PLUGIN_TYPE", alias = "HTTP")]
    Http,
    #[serde(rename = "NETWORK")]
    Network,
}

/// The `spec` of an EnvoyExtensionPolicy; of its other extensions nothing is said here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicySpec {
    target_ref: Option<Object>,
    target_refs: Vec<Object>,
    target_selectors: Vec<Object>,
    merge_type: String,
    wasm: Vec<Extension>,
    ext_proc: Vec<Object>,
    lua: Vec<Object>,
    dynamic_module: Vec<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extension {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "rootID")]
    root_id: String,
    code: Code,
    #[serde(default)]
    config: Option<Object>,
    #[serde(default)]
    fail_open: bool,
    #[serde(default)]
    env: Environment,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Code {
    r#type: CodeType,
    #[serde(default)]
    image: Option<Image>,
    #[serde(default)]
    http: Option<Http>,
    #[serde(default)]
    pull_policy: PullPolicy,
}

#[derive(Deserialize)]
enum CodeType {
    #[serde(rename = "HTTP")]
    Http,
    Image,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    url: String,
    #[serde(default)]
    sha256: String,
    #[serde(default)]
    pull_secret_ref: Option<Object>,
    #[serde(default)]
    #[expect(dead_code, reason = "whom a cluster trusts is its business")]
    tls: Option<Object>,
}

#[derive(Deserialize)]
struct Http {
    url: String,
    #[serde(default)]
    sha256: String,
    #[serde(default)]
    #[expect(dead_code, reason = "whom a cluster trusts is its business")]
    tls: Option<Object>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Environment {
    host_keys: Vec<String>,
}

/// The plug-ins of a resource, and everything that is wrong with it. What is wrong is left out of the plug-ins.
pub(crate) fn plugins(resource: &Value) -> (Vec<WasmPlugin>, Vec<ConfigError>) {
    let api = match api(resource) {
        Ok(api) => api,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let resource = without_nulls(resource, api);
    let (plugins, errors) = match api {
        Api::Higress => every(&resource, |Resource::<Spec> { metadata, spec, .. }| {
            vec![WasmPlugin { api, metadata, spec, extension: String::new() }]
        }),
        Api::Istio => every(&resource, istio),
        Api::EnvoyGateway { .. } => every(&resource, policy),
    };
    (plugins, errors.into_iter().map(|error| hints::better(error, &resource, api)).collect())
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
        if let Api::EnvoyGateway { wasm } = &mut self.api {
            let written = every.original(&format!("spec.wasm[{wasm}]"));
            let at = written.rsplit_once('[').and_then(|(_, at)| at.trim_end_matches(']').parse().ok());
            *wasm = at.unwrap_or(*wasm);
        }
    }
}

/// Whose resource it is, by its kind and the group of its API.
fn api(resource: &Value) -> Result<Api, ConfigError> {
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
    if let Some(api) = Api::ALL.into_iter().find(|api| (api.version(), api.kind()) == (version, kind)) {
        return Ok(api);
    }
    Err(hints::api(version, kind))
}

/// The resource without the fields whose value is null, which a cluster takes as not written. Configurations are left
/// alone: what is null there is the plug-in's business.
fn without_nulls(resource: &Value, api: Api) -> Value {
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
    let depth = if matches!(api, Api::EnvoyGateway { .. }) { 6 } else { 4 };
    cleaned.get_mut("spec").into_iter().for_each(|spec| clean(spec, depth));
    if let Some(resource) = cleaned.as_object_mut() {
        resource.retain(|name, value| !(value.is_null() && name != "spec"));
    }
    cleaned
}

fn istio(resource: Resource<IstioSpec>) -> Vec<WasmPlugin> {
    let Resource { metadata, spec, .. } = resource;
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
    vec![WasmPlugin { api: Api::Istio, metadata, spec, extension: String::new() }]
}

fn policy(resource: Resource<PolicySpec>) -> Vec<WasmPlugin> {
    let Resource { metadata, spec, .. } = resource;
    let several = spec.wasm.len() > 1;
    let plugins = spec.wasm.into_iter().zip(0_i32..).map(|(extension, number)| {
        let mut metadata = metadata.clone();
        if several && let Some(Value::String(name)) = metadata.get_mut("name") {
            *name = match extension.name.as_str() {
                "" => format!("{name}-{number}"),
                own => format!("{name}-{own}"),
            };
        }
        let wasm = usize::try_from(number).unwrap_or_default();
        WasmPlugin {
            api: Api::EnvoyGateway { wasm },
            metadata,
            extension: extension.name.clone(),
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
        let variable = |name| EnvVar { name, value_from: "HOST".into(), value: String::new() };
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
