//! The resources to apply: those of the installation, with this project's images.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use resource::yaml::{self, Node};
use resource::{ControlPlane, Manifest, Object, WasmPlugin};
use serde_json::{Value, json};

use crate::Usage;

/// Fields that a cluster writes into a resource, and that are never applied.
const WRITTEN_BY_CLUSTERS: [&str; 6] =
    ["resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Labels of Higress's console: the version, and whether the console replaces the image by its own.
const LABEL_VERSION: &str = "higress.io/wasm-plugin-version";
const LABEL_BUILT_IN: &str = "higress.io/wasm-plugin-built-in";

/// The place of this project's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Images(String);

impl FromStr for Images {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = text.strip_prefix("oci://").unwrap_or(text).trim_end_matches('/');
        // The reader of references knows what may stand in one.
        oci::Reference::parse(&format!("{place}/request-block:0.0.0")).map_err(|_| {
            "is not a registry with a repository: write both, as in registry.example.com/plugins".to_owned()
        })?;
        Ok(Self(place.to_owned()))
    }
}

/// A resource to apply.
pub(super) struct Resource {
    pub(super) value: Value,
    /// `namespace-name`, for the file.
    file: String,
}

impl Resource {
    pub(super) fn new(value: Value) -> Self {
        let text = |key: &str| value.pointer(&format!("/metadata/{key}")).and_then(Value::as_str);
        let parts = [text("namespace"), text("name")];
        let name = parts.into_iter().flatten().collect::<Vec<_>>().join("-");
        // A name of Kubernetes has no other characters; what was not accepted by a cluster may.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let file = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect::<String>();
        let file = if file.trim_matches(['.', '-']).is_empty() { "resource".to_owned() } else { file };
        Self { value, file }
    }
}

/// The resource as it is written, without what only a cluster writes.
pub(super) fn copy(node: &Node, control_plane: ControlPlane) -> Value {
    let mut value = node.to_json();
    if let Some(resource) = value.as_object_mut() {
        resource.remove("status");
        // The entries of a list need not repeat them.
        let mut whole = Object::new();
        whole.insert("apiVersion".into(), control_plane.api_version().into());
        whole.insert("kind".into(), control_plane.kind().into());
        whole.extend(std::mem::take(resource));
        *resource = whole;
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !WRITTEN_BY_CLUSTERS.contains(&key.as_str()));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    value
}

impl Images {
    /// The `url` of a plug-in's image.
    fn url(&self, manifest: &Manifest, control_plane: ControlPlane) -> String {
        let Self(place) = self;
        // Envoy Gateway's field holds an image's name alone.
        let scheme = if control_plane == ControlPlane::EnvoyGateway { "" } else { "oci://" };
        format!("{scheme}{place}/{}:{}", manifest.name, manifest.version)
    }

    /// Writes the image into one plug-in of the resource. The digest and the credentials were those of the old image.
    pub(super) fn put(&self, resource: &mut Value, plugin: &WasmPlugin, manifest: &Manifest) {
        let url = self.url(manifest, plugin.control_plane);
        let is_old_registry = || {
            let host = |url: &str| {
                url.split_once("://").map_or(url, |(_, url)| url).split('/').next().map(str::to_owned)
            };
            host(&plugin.spec.location()) == host(&format!("oci://{}", self.0))
        };
        let keeps_credentials = is_old_registry();
        if plugin.control_plane == ControlPlane::EnvoyGateway {
            let place = format!("/spec/wasm/{}/code", plugin.extension.index);
            let Some(code) = resource.pointer_mut(&place).and_then(Value::as_object_mut) else { return };
            let secret = code.get("image").and_then(|image| image.get("pullSecretRef")).cloned();
            let mut image = Object::from_iter([("url".into(), url.into())]);
            image.extend(secret.filter(|_| keeps_credentials).map(|secret| ("pullSecretRef".into(), secret)));
            code.remove("http");
            code.insert("type".into(), "Image".into());
            code.insert("image".into(), Value::Object(image));
            return;
        }
        if let Some(spec) = resource.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("url".into(), url.into());
            spec.remove("sha256");
            if !keeps_credentials {
                spec.remove("imagePullSecret");
            }
        }
        if let Some(labels) = resource.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            if labels.contains_key(LABEL_VERSION) {
                labels.insert(LABEL_VERSION.into(), json!(manifest.version));
            }
            if labels.contains_key(LABEL_BUILT_IN) {
                labels.insert(LABEL_BUILT_IN.into(), "false".into());
            }
        }
    }
}

/// Writes each resource into a file of its own; nothing that is there already is replaced.
pub(super) fn write(folder: &Path, resources: &[Resource]) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for resource in resources {
        let name = |number: usize| match number {
            1 => folder.join(format!("{}.yaml", resource.file)),
            number => folder.join(format!("{}-{number}.yaml", resource.file)),
        };
        let file = (1..).map(name).find(|file| files.iter().all(|(other, _)| other != file));
        files.extend(
            file.map(|file| Ok::<_, anyhow::Error>((file, yaml::write(&resource.value)?))).transpose()?,
        );
    }
    if let Some((file, _)) = files.iter().find(|(file, _)| file.exists()) {
        bail!(Usage(format!("{} exists: remove it, or name another folder", file.display())));
    }
    for (file, text) in &files {
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}
