//! What a `WasmPlugin` has no field for stands in its annotations: under Higress's own keys where its console has one,
//! under `portcullis.io/` otherwise.

use serde_json::Value;

use crate::WasmPlugin;

/// The name for people. Higress's console shows it.
pub const TITLE: &str = "higress.io/wasm-plugin-title";
/// A sentence about the plug-in. Higress's console shows it.
pub const DESCRIPTION: &str = "higress.io/wasm-plugin-description";
/// The language that the plug-in is written in.
pub const LANGUAGE: &str = "portcullis.io/language";
/// The plug-in of this workspace that the resource is of, where its `url` is one for clusters.
pub const SOURCE: &str = "portcullis.io/source";
/// Set on a disabled plug-in: the values that disabling it has replaced.
pub const DISABLED: &str = "portcullis.io/disabled";
/// The version that a release of a custom plug-in replaced.
pub const PREVIOUS: &str = "portcullis.io/previous";

/// How a `url` begins that names a plug-in of this workspace.
pub const WORKSPACE: &str = "workspace:";

/// The value of an annotation; an empty one is none.
#[must_use]
pub fn get<'r>(resource: &'r WasmPlugin, key: &str) -> Option<&'r str> {
    let value = resource.metadata.get("annotations")?.get(key)?;
    value.as_str().filter(|text| !text.is_empty())
}

/// The plug-in of this workspace that a resource is of.
#[must_use]
pub fn source(resource: &WasmPlugin) -> Option<&str> {
    resource.spec.url.strip_prefix(WORKSPACE).or_else(|| get(resource, SOURCE))
}

/// A text of `metadata`.
#[must_use]
pub fn metadata<'r>(resource: &'r WasmPlugin, key: &str) -> &'r str {
    resource.metadata.get(key).and_then(Value::as_str).unwrap_or_default()
}
