//! The resource that deploys a plug-in, for each control plane: what `cargo xtask manifest` prints.
//!
//! Every resource is held against the schema of its API, and the text that is printed is read again, before anybody sees
//! it.

mod image;
mod rules;
mod schema;
#[cfg(test)]
mod schema_tests;
mod target;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::manifest::{FailStrategy, Manifest, Stage};

pub(crate) use image::Pinned;
pub(crate) use rules::split;
pub(crate) use target::{Selector, Target, check_name};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Who reads the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ControlPlane {
    /// Higress and MSE: WasmPlugin, extensions.higress.io/v1alpha1
    Higress,
    /// Istio: WasmPlugin, extensions.istio.io/v1alpha1
    Istio,
    /// Envoy Gateway: EnvoyExtensionPolicy, gateway.envoyproxy.io/v1alpha1
    EnvoyGateway,
}

/// What a resource is to say.
pub(crate) struct Order<'a> {
    pub(crate) plugin: &'a Manifest,
    pub(crate) image: &'a Pinned,
    /// The document that the plug-in gets, its `_rules_` included.
    pub(crate) configuration: &'a Object,
    pub(crate) name: &'a str,
    pub(crate) namespace: Option<&'a str>,
    /// The secret with the registry's credentials.
    pub(crate) pull_secret: Option<&'a str>,
    /// What it is attached to.
    pub(crate) targets: &'a [Target],
    /// Labels of the gateways' pods.
    pub(crate) selector: &'a [Selector],
}

impl ControlPlane {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Higress, Self::Istio, Self::EnvoyGateway];

    /// The name that people know.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Higress => "Higress",
            Self::Istio => "Istio",
            Self::EnvoyGateway => "Envoy Gateway",
        }
    }

    /// The schema of its resource.
    pub(crate) fn schema(self) -> Result<Value> {
        let text = match self {
            Self::Higress => include_str!("schemas/higress.yaml"),
            Self::Istio => include_str!("schemas/istio.yaml"),
            Self::EnvoyGateway => include_str!("schemas/envoy-gateway.yaml"),
        };
        serde_yaml::from_str(text).with_context(|| format!("reading the schema for {}", self.title()))
    }

    /// The resource, as the API has it.
    ///
    /// # Errors
    ///
    /// What the control plane cannot do for this plug-in.
    pub(crate) fn resource(self, order: &Order<'_>) -> Result<Value> {
        if order.plugin.holds_headers && self != Self::Higress {
            bail!(
                "{} holds headers back while bodies come (`holdsHeaders` in its plugin.yaml), and {}'s resource cannot set \
                 allow_on_headers_stop_iteration, which that needs: deploy it with Higress, or with Envoy's own \
                 configuration",
                order.plugin.name,
                self.title()
            );
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
        if let Err((place, message)) = schema::check(&self.schema()?, &resource, "") {
            bail!("{place}: {message}: {}'s API does not take it", self.title());
        }
        Ok(resource)
    }
}

/// The resource as YAML, which has been read again and is the same.
pub(crate) fn to_yaml(resource: &Value) -> Result<String> {
    config::yaml::write(resource).context("the resource cannot be written as YAML: take `--json`")
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
    let phase = match order.plugin.stage {
        Stage::Authn => "AUTHN",
        Stage::Authz => "AUTHZ",
        Stage::Stats => "STATS",
        Stage::Default => "UNSPECIFIED_PHASE",
    };
    spec.insert("phase".into(), phase.into());
    spec.insert("priority".into(), order.plugin.priority.into());
    let strategy = match order.plugin.fail_strategy {
        FailStrategy::FailOpen => "FAIL_OPEN",
        FailStrategy::FailClose => "FAIL_CLOSE",
    };
    spec.insert("failStrategy".into(), strategy.into());
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
    wasm.insert("failOpen".into(), (order.plugin.fail_strategy == FailStrategy::FailOpen).into());
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
