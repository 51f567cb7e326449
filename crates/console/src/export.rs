//! A plug-in as a resource for the control planes of clusters.

use gateway::folder::edit::{self, Place};
use marketplace::Shelf;
use resource::annotation::{DISABLED, PREVIOUS, SOURCE};
use resource::deploy::Target;
use resource::{ControlPlane, Deployment, Object, Stage, WasmPlugin, yaml};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::gateways::Gateway;
use crate::plugins::Market;
use crate::problem::Problem;

/// A resource, and what to know about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// The resource in YAML.
    pub text: String,
    /// What it cannot express, or what has to be done first.
    pub notes: Vec<String>,
}

/// The resource of a plug-in for a control plane, enabled.
pub(crate) fn export(gateway: &Gateway, id: &str, plane: &str) -> Result<Exported, Problem> {
    let plane = match plane {
        "higress" => ControlPlane::Higress,
        "istio" => ControlPlane::Istio,
        "envoy-gateway" => ControlPlane::EnvoyGateway,
        other => {
            let message = format!("`{other}` is not a control plane: write higress, istio or envoy-gateway");
            return Err(Problem::new("request_invalid", message).with("reason", other).of_field("for"));
        }
    };
    let market = Market::open(gateway);
    let entry = market.find(id)?;
    let refused = |reason: &dyn std::fmt::Display| {
        Problem::new("export_invalid", format_args!("{} cannot be exported: {reason}", entry.name))
            .with("name", &entry.name)
            .with("reason", reason)
    };
    let mut resource = enabled(&entry.resource).ok_or_else(|| refused(&"it was disabled by hand"))?;
    let document = match resource.deployment().map_err(|error| refused(&error))? {
        Deployment::Document(document) => document,
        Deployment::NotDeployed => return Err(refused(&"no scope of its configuration is in force")),
    };
    let mut notes = Vec::new();
    resource.control_plane = plane;
    let name = entry.name.clone();
    let mut metadata = Object::from_iter([("name".to_owned(), json!(name))]);
    if plane == ControlPlane::Higress {
        for key in ["namespace", "annotations"] {
            if let Some(value) = resource.metadata.get(key) {
                metadata.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(|own| own.as_object_mut()) {
            for own in [DISABLED, PREVIOUS, SOURCE] {
                annotations.remove(own);
            }
        }
    }
    resource.metadata = metadata;
    resource.configure(&document);
    let url = &resource.spec.url;
    if url.starts_with("file://") || url.starts_with("workspace:") {
        notes.push(format!(
            "a cluster cannot fetch `{url}`: push the module as an image, and name it as `url` with its digest"
        ));
    } else if url.starts_with("oci://") && !url.contains("@sha256:") && resource.spec.sha256.is_empty() {
        notes.push("the image is named by a tag, which can move: pin its digest".into());
    }
    let manifest = market.manifest(entry);
    if manifest.as_ref().is_some_and(|manifest| manifest.holds_headers) && plane != ControlPlane::Higress {
        return Err(refused(&format_args!(
            "it holds headers, and {}'s resource cannot set allow_on_headers_stop_iteration",
            plane.title()
        )));
    }
    if plane == ControlPlane::EnvoyGateway {
        let target = Target { kind: "Gateway", name: "my-gateway".into() };
        resource.targets = vec![Object::from_iter([
            ("group".to_owned(), json!(target.group())),
            ("kind".to_owned(), json!(target.kind)),
            ("name".to_owned(), json!(target.name)),
        ])];
        resource.extension.name.clone_from(&name);
        notes.push("write the name of your Gateway in place of `my-gateway`".into());
        if entry.stage != Stage::Default || entry.priority != 0 {
            notes.push(format!(
                "Envoy Gateway has no stages or priorities: list several plug-ins in one policy in the order in which they \
                 run (this one is of stage {}, priority {})",
                entry.stage.name(),
                entry.priority
            ));
        }
    }
    let value = serde_json::to_value(&resource).map_err(Problem::internal)?;
    let text = yaml::write(&value).map_err(Problem::internal)?;
    let is_same = WasmPlugin::from_yaml(&text).is_ok();
    if !is_same {
        return Err(refused(&"the resource would not be valid"));
    }
    if !entry.enabled {
        notes.push("it is disabled here; the resource is as it would be enabled".into());
    }
    if Shelf::has_previous(entry) {
        notes.push("the version before is not part of the resource".into());
    }
    Ok(Exported { text, notes })
}

/// The resource as it is when it is enabled.
fn enabled(resource: &WasmPlugin) -> Option<WasmPlugin> {
    let value = serde_json::to_value(resource).ok()?;
    let text = yaml::write(&value).ok()?;
    match edit::enable(&text, Place::default()) {
        Ok(text) => WasmPlugin::from_yaml(&text).ok(),
        Err(edit::EditError::Already(_)) => Some(resource.clone()),
        Err(_) => None,
    }
}
