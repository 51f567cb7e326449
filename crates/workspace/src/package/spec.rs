//! `spec.yaml`: what Higress's console shows of a plug-in (its image specification, 1.0.0).

use std::collections::BTreeMap;

use resource::{Category, Manifest};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Error, Result};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'m> {
    api_version: &'static str,
    info: Info<'m>,
    spec: Deployed<'m>,
}

#[derive(Serialize)]
struct Info<'m> {
    category: Category,
    name: &'m str,
    title: &'m str,
    #[serde(rename = "x-title-i18n", skip_serializing_if = "BTreeMap::is_empty")]
    title_i18n: &'m BTreeMap<String, String>,
    description: &'m str,
    #[serde(rename = "x-description-i18n", skip_serializing_if = "BTreeMap::is_empty")]
    description_i18n: &'m BTreeMap<String, String>,
    version: &'m str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployed<'m> {
    phase: &'static str,
    priority: i32,
    config_schema: ConfigSchema<'m>,
}

#[derive(Serialize)]
struct ConfigSchema<'m> {
    #[serde(rename = "openAPIV3Schema")]
    schema: &'m Value,
}

/// The file's text. Without a schema, a configuration is an object like the example.
pub(super) fn of(manifest: &Manifest, schema: Option<&Value>) -> Result<String> {
    let any = json!({ "type": "object", "example": manifest.example });
    let spec = Spec {
        api_version: "1.0.0",
        info: Info {
            category: manifest.category,
            name: &manifest.name,
            title: &manifest.title,
            title_i18n: &manifest.title_i18n,
            description: &manifest.description,
            description_i18n: &manifest.description_i18n,
            version: &manifest.version,
        },
        spec: Deployed {
            phase: manifest.stage.phase(),
            priority: manifest.priority,
            config_schema: ConfigSchema { schema: schema.unwrap_or(&any) },
        },
    };
    let text = serde_json::to_value(&spec).map_err(anyhow::Error::from);
    text.and_then(|spec| Ok(resource::yaml::write(&spec)?)).map_err(Error::Image)
}
