//! Images in registries: their digest, their module, and what it would do here.

use oci::registry::{self, Access};
use oci::{Reader, Reference};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::uploads::{self, CheckView, Loads};

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    /// The reference.
    pub reference: String,
    /// The reference with the digest, which never moves.
    pub pinned: String,
    /// The digest of the manifest.
    pub digest: String,
    /// The title in its annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The description in its annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The language of the module, as far as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where it loads.
    pub gateways: Vec<Loads>,
    /// The checks.
    pub checks: Vec<CheckView>,
}

/// Pulls an image and checks its module, with all limits of the registry client. It blocks.
pub(crate) fn resolve(text: &str, catalogue: Option<&oci::Catalogue>) -> Result<ImageView, Problem> {
    let invalid = |error: &dyn std::fmt::Display| {
        Problem::new("image_invalid", error).with("reference", text).with("reason", error).of_field("module")
    };
    let reference = Reference::parse(text).map_err(|error| invalid(&error))?;
    let listed = catalogue.and_then(|catalogue| Some((catalogue, catalogue.resolve(&reference)?)));
    let layout = match listed {
        Some((catalogue, entry)) => {
            catalogue.layout(entry).map_err(|error| invalid(&format_args!("{error:#}")))?
        }
        None => {
            // As docker does: a registry on this machine has no certificate.
            let access = Access { plain_http: reference.is_loopback() };
            let pulled = registry::pull(&reference, access, &|_| {}).map_err(|error| {
                let text = format!("{:#}", anyhow::Error::from(error));
                Problem::new("image_unreachable", format_args!("cannot pull {reference}: {text}"))
                    .with("reference", &reference)
                    .with("reason", text)
                    .of_field("module")
            })?;
            pulled.layout
        }
    };
    let read = || -> anyhow::Result<(String, Vec<u8>, oci::Annotations)> {
        let top = layout.top()?;
        let image = Reader::Fetcher.image(&layout, top)?;
        let module = Reader::Fetcher.module(&layout, &image.manifest)?;
        Ok((image.descriptor.digest, module, image.manifest.annotations))
    };
    let (digest, module, annotations) = read().map_err(|error| invalid(&format_args!("{error:#}")))?;
    let name = format!("{}.wasm", reference.name());
    let report = uploads::report(&name, &module);
    if !report.ok() {
        return Err(uploads::invalid(&name, &report));
    }
    let annotation = |key: &str| annotations.get(&format!("org.opencontainers.image.{key}")).cloned();
    Ok(ImageView {
        reference: reference.to_string(),
        pinned: reference.with_digest(&digest).to_string(),
        digest,
        title: annotation("title"),
        description: annotation("description"),
        language: uploads::language(&module),
        gateways: uploads::loads(&report),
        checks: uploads::checks(&report),
    })
}
