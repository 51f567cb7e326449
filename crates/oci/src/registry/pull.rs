//! Pulls an image with what is attached to it into a layout.

use serde::Deserialize;

use super::client::{ACCEPTED, Registry, Scope, check};
use super::retry::retry;
use super::{Access, Error, Event, Progress, RequestError, block_on};
use crate::limits::{MAX_BLOB, MAX_DEPTH, MAX_LAYOUT, MAX_MANIFEST, MAX_REFERRERS};
use crate::{Descriptor, Index, Layout, Reference, media};

/// An image from a registry.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The image and the artifacts attached to it. Of an index, the image for `linux/amd64` alone: the one that fetchers
    /// choose.
    pub layout: Layout,
    /// The manifest or the index that the reference names.
    pub image: Descriptor,
}

/// Pulls an image with the artifacts attached to it.
///
/// # Errors
///
/// The registry cannot be reached or does not have the image, or something does not have the digest that it is named by.
pub fn pull(reference: &Reference, access: Access, progress: Progress<'_>) -> Result<Pulled, Error> {
    block_on(async {
        let registry = Registry::open(reference, access, Scope::Pull).await?;
        progress(&Event::Pulling(reference));
        image(&registry, reference, progress).await
    })
}

/// Pulls an image through a client that is authenticated for its repository.
pub(super) async fn image(
    registry: &Registry<'_>,
    reference: &Reference,
    progress: Progress<'_>,
) -> Result<Pulled, Error> {
    let mut pull = Pull { registry, progress, layout: Layout::default(), left: MAX_LAYOUT };
    let name = reference.digest().or(reference.tag()).unwrap_or("latest");
    let found = manifest(registry, name, progress).await?;
    let (bytes, media_type) = found.ok_or_else(|| Error::NotFound(reference.clone()))?;
    let image = pull.layout.add_manifest_bytes(&media_type, bytes, reference.tag());
    if let Some(requested) = reference.digest()
        && requested != image.digest
    {
        return Err(Error::Digest { requested: requested.to_owned(), received: image.digest });
    }
    let mut subjects = vec![image.digest.clone()];
    let resolved = match image.is_index() {
        true => pull.entry(&image).await?,
        false => Some(image.clone()),
    };
    if let Some(resolved) = resolved {
        pull.blobs(&resolved).await?;
        if resolved.digest != image.digest {
            subjects.push(resolved.digest);
        }
    }
    for subject in subjects {
        pull.attached(&subject).await?;
    }
    Ok(Pulled { layout: pull.layout, image })
}

/// The bytes and the media type of a manifest, if the repository has it under this tag or digest.
pub(super) async fn manifest(
    registry: &Registry<'_>,
    name: &str,
    progress: Progress<'_>,
) -> Result<Option<(Vec<u8>, String)>, Error> {
    let what = format!("the manifest {name}");
    let path = format!("manifests/{name}");
    let pulled = retry(progress, &what, async || registry.get(&path, &ACCEPTED, MAX_MANIFEST).await);
    let content = match pulled.await {
        Ok(content) => content,
        Err(RequestError::Status { status: 404, .. }) => return Ok(None),
        Err(error) => return Err(registry.explain(error)),
    };
    // Fetchers decide by this header; where a registry leaves it out, the content has its type.
    if ACCEPTED.contains(&content.media_type.as_str()) {
        return Ok(Some((content.bytes, content.media_type)));
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let typed: Typed =
        serde_json::from_slice(&content.bytes).map_err(|source| Error::Json { what, source })?;
    let assumed = if typed.manifests.is_some() { media::INDEX } else { media::MANIFEST };
    Ok(Some((content.bytes, typed.media_type.unwrap_or_else(|| assumed.into()))))
}

/// An image on its way into a layout.
struct Pull<'a> {
    registry: &'a Registry<'a>,
    progress: Progress<'a>,
    layout: Layout,
    /// How many more bytes it may have.
    left: u64,
}

impl Pull<'_> {
    /// Reads the image of an index for `linux/amd64`, through indexes in it; nothing where it has none.
    async fn entry(&mut self, index: &Descriptor) -> Result<Option<Descriptor>, Error> {
        let mut current = index.clone();
        for _ in 0..MAX_DEPTH {
            let Some(entry) = self.layout.entry_for_linux_amd64(&current)? else { return Ok(None) };
            let found = manifest(self.registry, &entry.digest, self.progress).await?;
            let (bytes, _) = found.ok_or_else(|| Error::NotInRegistry(entry.digest.clone()))?;
            self.spend(bytes.len() as u64)?;
            self.add(&entry, bytes)?;
            if !entry.is_index() {
                return Ok(Some(entry));
            }
            current = entry;
        }
        Err(Error::TooDeep)
    }

    /// Reads everything that a manifest names.
    async fn blobs(&mut self, manifest: &Descriptor) -> Result<(), Error> {
        let manifest = self.layout.manifest(manifest)?;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            if self.layout.blob(blob).is_ok() {
                continue;
            }
            if blob.size > MAX_BLOB {
                return Err(Error::BlobTooLarge { digest: blob.digest.clone(), size: blob.size });
            }
            self.spend(blob.size)?;
            (self.progress)(&Event::PullingBlob(blob));
            let path = format!("blobs/{}", blob.digest);
            let pulled =
                retry(self.progress, &blob.digest, async || self.registry.get(&path, &[], blob.size).await);
            let content = pulled.await.map_err(|error| self.registry.explain(error))?;
            self.add(blob, content.bytes)?;
        }
        Ok(())
    }

    /// Reads the artifacts that are attached to a manifest.
    async fn attached(&mut self, subject: &str) -> Result<(), Error> {
        let entries = referrers(self.registry, subject, self.progress).await?;
        if entries.len() > MAX_REFERRERS {
            return Err(Error::TooManyReferrers(entries.len()));
        }
        for entry in entries {
            if let Some((bytes, media_type)) = manifest(self.registry, &entry.digest, self.progress).await? {
                self.spend(bytes.len() as u64)?;
                let attached = self.layout.add_manifest_bytes(&media_type, bytes, None);
                if attached.digest != entry.digest {
                    return Err(Error::Digest { requested: entry.digest, received: attached.digest });
                }
                self.blobs(&attached).await?;
            }
        }
        Ok(())
    }

    /// Counts bytes before they are read.
    fn spend(&mut self, bytes: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::TooLarge)?;
        Ok(())
    }

    /// Adds the content of a descriptor.
    fn add(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) -> Result<(), Error> {
        check(descriptor, &self.layout.add_blob(&descriptor.media_type, bytes))
    }
}

/// The artifacts that are attached to a manifest: from the registry's list, or from the one under a tag that older
/// registries have (distribution specification, "Referrers Tag Schema").
pub(super) async fn referrers(
    registry: &Registry<'_>,
    subject: &str,
    progress: Progress<'_>,
) -> Result<Vec<Descriptor>, Error> {
    let what = "the list of attached artifacts";
    let path = format!("referrers/{subject}");
    let listed =
        retry(progress, what, async || registry.get(&path, &[media::INDEX], MAX_MANIFEST).await).await;
    let bytes = match listed {
        Ok(content) => content.bytes,
        Err(RequestError::Status { status: 400 | 404 | 405, .. }) => {
            match manifest(registry, &referrers_tag(subject), progress).await? {
                Some((bytes, _)) => bytes,
                None => return Ok(Vec::new()),
            }
        }
        Err(error) => return Err(registry.explain(error)),
    };
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|source| Error::Json { what: what.into(), source })?;
    Ok(index.manifests)
}

/// The tag under which the artifacts attached to a manifest are listed.
pub(super) fn referrers_tag(subject: &str) -> String {
    subject.replace(':', "-")
}
