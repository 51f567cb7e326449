//! The resource that deploys a plug-in, for each control plane: what `cargo xtask manifest` prints.
//!
//! Every resource is held against the schema of its API, and the text that is printed is read again, before anybody sees
//! it.

mod image;
mod rules;
pub mod schema;
#[cfg(test)]
mod schema_tests;
mod target;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Value, json};

use crate::{FailStrategy, Manifest, Object};

pub use image::{Pinned, PinnedError, SCHEME};
pub use rules::split;
pub use target::{Selector, Target, check_name};

/// Who reads the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum ControlPlane {
    /// Higress and MSE: WasmPlugin, extensions.higress.io/v1alpha1
    Higress,
    /// Istio: WasmPlugin, extensions.istio.io/v1alpha1
    Istio,
    /// Envoy Gateway: EnvoyExtensionPolicy, gateway.envoyproxy.io/v1alpha1
    EnvoyGateway,
}

/// The contents of a resource.
pub struct Order<'a> {
    /// The plug-in's name, stage, priority and fail strategy.
    pub plugin: &'a Manifest,
    /// The image, by its digest.
    pub image: &'a Pinned,
    /// The document that the plug-in gets, its `_rules_` included.
    pub configuration: &'a Object,
    /// The resource's name.
    pub name: &'a str,
    /// The resource's namespace.
    pub namespace: Option<&'a str>,
    /// The secret with the registry's credentials.
    pub pull_secret: Option<&'a str>,
    /// What it is attached to.
    pub targets: &'a [Target],
    /// Labels of the gateways' pods.
    pub selector: &'a [Selector],
}

/// Why there is no resource for a plug-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployError {
    /// The plug-in holds headers back, and the control plane cannot set what that needs.
    HoldsHeaders {
        /// The plug-in's name.
        plugin: String,
        /// The control plane's name.
        plane: &'static str,
    },
    /// The control plane's API does not have a field, or not with this value.
    Schema {
        /// The field.
        path: String,
        /// The reason.
        message: String,
        /// The control plane's name.
        plane: &'static str,
    },
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HoldsHeaders { plugin, plane } => write!(
                f,
                "{plugin} holds headers back while bodies come (`holdsHeaders` in its plugin.yaml), and {plane}'s resource \
                 cannot set allow_on_headers_stop_iteration, which that needs: deploy it with Higress, or with Envoy's own \
                 configuration"
            ),
            Self::Schema { path, message, plane } => {
                write!(f, "{path}: {message}: {plane}'s API does not accept it")
            }
        }
    }
}

impl std::error::Error for DeployError {}

impl ControlPlane {
    /// All control planes.
    pub const ALL: [Self; 3] = [Self::Higress, Self::Istio, Self::EnvoyGateway];

    /// The name for messages.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Higress => "Higress",
            Self::Istio => "Istio",
            Self::EnvoyGateway => "Envoy Gateway",
        }
    }

    /// The schema of its resource.
    fn schema(self) -> Value {
        let text = match self {
            Self::Higress => include_str!("schemas/higress.yaml"),
            Self::Istio => include_str!("schemas/istio.yaml"),
            Self::EnvoyGateway => include_str!("schemas/envoy-gateway.yaml"),
        };
        // A test reads every schema.
        serde_yaml::from_str(text).unwrap_or_default()
    }

    /// The resource, as the API has it.
    ///
    /// # Errors
    ///
    /// What the control plane cannot do for this plug-in.
    pub fn resource(self, order: &Order<'_>) -> Result<Value, DeployError> {
        let plane = self.title();
        if order.plugin.holds_headers && self != Self::Higress {
            return Err(DeployError::HoldsHeaders { plugin: order.plugin.name.clone(), plane });
        }
        let (api, kind, spec) = match self {
            Self::Higress => ("extensions.higress.io/v1alpha1", "WasmPlugin", higress(order)),
            Self::Istio => ("extensions.istio.io/v1alpha1", "WasmPlugin", istio(order)),
            Self::EnvoyGateway => {
                ("gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicy", envoy_gateway(order))
            }
        };
        let mut metadata = Object::new();
        metadata.insert("name".into(), order.name.into());
        put(&mut metadata, "namespace", order.namespace);
        let resource = json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec });
        match schema::check(&self.schema(), &resource, "") {
            Ok(()) => Ok(resource),
            Err((path, message)) => Err(DeployError::Schema { path, message, plane }),
        }
    }
}

fn higress(order: &Order<'_>) -> Object {
    let mut spec = Object::new();
    if !order.selector.is_empty() {
        spec.insert("selector".into(), selector(order));
    }
    wasm_plugin(order, &mut spec);
    let (base, rules) = split(order.configuration);
    if !base.is_empty() {
        spec.insert("defaultConfig".into(), Value::Object(base));
    }
    if !rules.is_empty() {
        spec.insert("matchRules".into(), Value::Array(rules));
    }
    spec
}

fn istio(order: &Order<'_>) -> Object {
    let mut spec = Object::new();
    if !order.selector.is_empty() {
        spec.insert("selector".into(), selector(order));
    }
    if !order.targets.is_empty() {
        spec.insert("targetRefs".into(), targets(order));
    }
    wasm_plugin(order, &mut spec);
    if !order.configuration.is_empty() {
        spec.insert("pluginConfig".into(), Value::Object(order.configuration.clone()));
    }
    spec
}

/// What the WasmPlugins of Istio and Higress share. For `oci://`, their `sha256` is the manifest's digest.
fn wasm_plugin(order: &Order<'_>, spec: &mut Object) {
    spec.insert("url".into(), order.image.url().into());
    spec.insert("sha256".into(), order.image.sha256.as_str().into());
    put(spec, "imagePullSecret", order.pull_secret);
    spec.insert("pluginName".into(), order.plugin.name.as_str().into());
    spec.insert("phase".into(), order.plugin.stage.phase().into());
    spec.insert("priority".into(), order.plugin.priority.into());
    spec.insert("failStrategy".into(), order.plugin.fail_strategy.name().into());
}

fn envoy_gateway(order: &Order<'_>) -> Object {
    let mut image = Object::new();
    image.insert("url".into(), order.image.reference().into());
    // Of an image, this too is the manifest's digest: Envoy Gateway's cache compares it with that.
    image.insert("sha256".into(), order.image.sha256.as_str().into());
    if let Some(secret) = order.pull_secret {
        image.insert("pullSecretRef".into(), json!({ "kind": "Secret", "name": secret }));
    }
    let mut wasm = Object::new();
    wasm.insert("name".into(), order.plugin.name.as_str().into());
    wasm.insert("rootID".into(), order.plugin.name.as_str().into());
    wasm.insert("code".into(), json!({ "type": "Image", "image": image }));
    if !order.configuration.is_empty() {
        wasm.insert("config".into(), Value::Object(order.configuration.clone()));
    }
    wasm.insert("failOpen".into(), (order.plugin.fail_strategy == FailStrategy::Open).into());
    let mut spec = Object::new();
    spec.insert("targetRefs".into(), targets(order));
    spec.insert("wasm".into(), json!([wasm]));
    spec
}

fn selector(order: &Order<'_>) -> Value {
    let labels: Object =
        order.selector.iter().map(|label| (label.key.clone(), label.value.as_str().into())).collect();
    json!({ "matchLabels": labels })
}

fn targets(order: &Order<'_>) -> Value {
    let target =
        |target: &Target| json!({ "group": target.group(), "kind": target.kind, "name": target.name });
    order.targets.iter().map(target).collect()
}

fn put(fields: &mut Object, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.insert(name.into(), value.into());
    }
}
