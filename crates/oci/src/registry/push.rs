//! Pushes a layout's image with what is attached to it, pulls it back, and compares.

use serde_json::{Value, json};

use super::client::{Registry, Scope};
use super::pull::{self, referrers_tag};
use super::retry::retry;
use super::{Access, Error, Event, Progress, block_on};
use crate::{Descriptor, Layout, Manifest, Reference, digest, media};

/// A push that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the image.
    pub digest: String,
    /// The digests of the artifacts attached to it.
    pub attached: Vec<String>,
    /// Whether the registry had the image under that tag before.
    pub existed: bool,
}

/// Pushes the one image of a layout to a tag, with the artifacts attached to it. What the registry has already is not sent
/// again. `overwrite` moves a tag that refers to another image.
///
/// # Errors
///
/// The registry cannot be reached, refuses something, has another image under the tag, or does not return what was pushed.
pub fn push(
    layout: &Layout,
    reference: &Reference,
    overwrite: bool,
    access: Access,
    progress: Progress<'_>,
) -> Result<Pushed, Error> {
    let tag = match (reference.tag(), reference.digest()) {
        (Some(tag), None) => tag,
        _ => return Err(Error::NoTag(reference.clone())),
    };
    if layout.top()?.is_index() {
        return Err(Error::Index);
    }
    let (image, manifest) = layout.image()?;
    block_on(async {
        let registry = Registry::open(reference, access, Scope::Push).await?;
        let existing = pull::manifest(&registry, tag, progress).await?.map(|(bytes, _)| digest(&bytes));
        if let Some(existing) = existing.as_ref().filter(|existing| **existing != image.digest && !overwrite)
        {
            return Err(Error::Exists {
                reference: Box::new(reference.clone()),
                existing: existing.clone(),
                pushed: image.digest.clone(),
            });
        }
        let push = Push { registry: &registry, progress, layout };
        push.blobs(&manifest).await?;
        let mut attached = Vec::new();
        for (descriptor, about) in layout.referrers(&image.digest) {
            push.blobs(&about).await?;
            push.manifest(&descriptor.digest, descriptor).await?;
            push.attach(image, descriptor, &about).await?;
            attached.push(descriptor.digest.clone());
        }
        // Last, so that whoever finds the tag finds everything.
        push.manifest(tag, image).await?;
        push.compare(reference, image, &attached).await?;
        let existed = existing.is_some_and(|existing| existing == image.digest);
        Ok(Pushed { digest: image.digest.clone(), attached, existed })
    })
}

struct Push<'a> {
    registry: &'a Registry<'a>,
    progress: Progress<'a>,
    layout: &'a Layout,
}

impl Push<'_> {
    /// Sends what a manifest names and the registry does not have.
    async fn blobs(&self, manifest: &Manifest) -> Result<(), Error> {
        let Self { registry, progress, layout } = self;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            let bytes = layout.blob(blob)?;
            let what = &blob.digest;
            let exists = retry(*progress, what, async || registry.has_blob(&blob.digest).await);
            if exists.await.map_err(|error| registry.explain(error))? {
                progress(&Event::Exists(blob));
                continue;
            }
            progress(&Event::PushingBlob(blob));
            let pushed = retry(*progress, what, async || registry.push_blob(&blob.digest, bytes).await);
            pushed.await.map_err(|error| registry.explain(error))?;
        }
        Ok(())
    }

    /// Sends a manifest, in the bytes that its digest is of.
    async fn manifest(&self, name: &str, descriptor: &Descriptor) -> Result<(), Error> {
        self.manifest_bytes(name, &descriptor.media_type, self.layout.blob(descriptor)?).await
    }

    async fn manifest_bytes(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<(), Error> {
        let pushed = retry(self.progress, "the manifest", async || {
            self.registry.push_manifest(name, media_type, bytes).await
        });
        pushed.await.map_err(|error| self.registry.explain(error))
    }

    /// Lists an artifact under a tag, if the registry does not list it by itself (distribution specification, "Referrers
    /// Tag Schema").
    async fn attach(&self, image: &Descriptor, about: &Descriptor, manifest: &Manifest) -> Result<(), Error> {
        let listed = pull::referrers(self.registry, &image.digest, self.progress).await?;
        if listed.iter().any(|entry| entry.digest == about.digest) {
            return Ok(());
        }
        let tag = referrers_tag(&image.digest);
        let json = |source| Error::Json { what: "the list of attached artifacts".into(), source };
        let mut entries: Vec<Value> = match pull::manifest(self.registry, &tag, self.progress).await? {
            None => Vec::new(),
            Some((bytes, _)) => {
                let index: Value = serde_json::from_slice(&bytes).map_err(json)?;
                index.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default()
            }
        };
        let entry = Descriptor { annotations: manifest.annotations.clone(), ..about.clone() };
        entries.push(serde_json::to_value(entry).map_err(json)?);
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
        self.manifest_bytes(&tag, media::INDEX, index.to_string().as_bytes()).await
    }

    /// Pulls everything back.
    async fn compare(
        &self,
        reference: &Reference,
        image: &Descriptor,
        attached: &[String],
    ) -> Result<(), Error> {
        (self.progress)(&Event::Comparing);
        let back = pull::image(self.registry, reference, &|_| {}).await?;
        if back.image.digest != image.digest {
            return Err(Error::Digest { requested: image.digest.clone(), received: back.image.digest });
        }
        let lost = attached
            .iter()
            .find(|digest| !back.layout.manifests.iter().any(|descriptor| descriptor.digest == **digest));
        lost.map_or(Ok(()), |digest| Err(Error::Lost(digest.clone())))
    }
}
