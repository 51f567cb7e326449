//! Pulls an image with what is attached to it into a layout.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use oci::limits::{MAX_BLOB, MAX_DEPTH, MAX_LAYOUT, MAX_MANIFEST, MAX_REFERRERS};
use oci::{Descriptor, Index, Layout, Reader, media};
use oci_client::errors::OciDistributionError;
use oci_client::{Reference, RegistryOperation};

use crate::access::Registry;
use crate::reference::{self, by_digest, by_tag};
use crate::retry::retry;
use crate::{Access, LAYOUT, Progress};

/// What a registry may answer with when it is asked for a manifest.
const ACCEPTED: [&str; 4] = [media::MANIFEST, media::DOCKER_MANIFEST, media::INDEX, media::DOCKER_INDEX];

/// What `cargo xtask pull` was given; its `--help` is that command's.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The image: oci://HOST/REPOSITORY:TAG, or …@sha256:….
    #[arg(value_name = "oci://…")]
    image: String,
    /// The folder to write the layout into; the repository's last name, if nothing else is said.
    #[arg(value_name = LAYOUT)]
    layout: Option<PathBuf>,
    /// Leave the module beside it too.
    #[arg(long, value_name = "FILE.wasm")]
    module: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let reference = reference::parse(&args.image)?;
    let progress = Progress { quiet: args.access.quiet };
    let registry = Registry::open(&reference, &args.access, RegistryOperation::Pull).await?;
    progress.step(format_args!("pulling {reference}"));
    let (layout, image) = image(&registry, &reference, &progress).await?;
    let name = reference.repository().rsplit('/').next().unwrap_or("image").to_owned();
    let folder = args.layout.unwrap_or_else(|| name.into());
    layout.write_folder(&folder)?;
    if let Some(file) = &args.module {
        let fetched = Reader::Any.image(&layout, &image)?;
        let module = Reader::Any.module(&layout, &fetched.manifest)?;
        std::fs::write(file, module).with_context(|| format!("writing {}", file.display()))?;
    }
    if !args.access.quiet {
        anstream::println!("{}", image.digest);
        if image.is_index()
            && let Ok(fetched) = Reader::Any.image(&layout, &image)
        {
            progress.step(format_args!("an index; for linux/amd64 it has {}", fetched.descriptor.digest));
        }
        progress.step(format_args!("wrote {}", folder.display()));
    }
    Ok(())
}

/// An image with everything that it names, and the artifacts attached to it. Of an index, the image for `linux/amd64`
/// alone: the one that fetchers choose.
pub(crate) async fn image(
    registry: &Registry,
    reference: &Reference,
    progress: &Progress,
) -> Result<(Layout, Descriptor)> {
    let mut pull = Pull { registry, reference, progress, layout: Layout::default(), left: MAX_LAYOUT };
    let (bytes, media_type) = manifest(registry, reference, progress)
        .await?
        .with_context(|| format!("there is no {reference} in the registry"))?;
    let image = pull.layout.add_manifest_bytes(&media_type, bytes, reference.tag());
    if let Some(wanted) = reference.digest()
        && wanted != image.digest
    {
        bail!("the registry answers with {} when it is asked for {wanted}: do not use it", image.digest);
    }
    let mut subjects = vec![image.digest.clone()];
    let found = match image.is_index() {
        true => pull.entry(&image).await?,
        false => Some(image.clone()),
    };
    if let Some(found) = found {
        pull.blobs(&found).await?;
        if found.digest != image.digest {
            subjects.push(found.digest);
        }
    }
    for subject in subjects {
        pull.attached(&subject).await?;
    }
    Ok((pull.layout, image))
}

/// A manifest's bytes and media type; nothing when there is none.
pub(crate) async fn manifest(
    registry: &Registry,
    reference: &Reference,
    progress: &Progress,
) -> Result<Option<(Vec<u8>, String)>> {
    let what = format!("the manifest {reference}");
    let name = reference.digest().or(reference.tag()).unwrap_or("latest");
    let path = format!("{}/manifests/{name}", reference.repository());
    let pulled = retry(progress, &what, async || registry.get(&path, &ACCEPTED, MAX_MANIFEST).await);
    let content = match pulled.await {
        Ok(content) => content,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(registry.explain(error)),
    };
    // What fetchers decide by; where a registry leaves it out, the content names its type itself.
    if ACCEPTED.contains(&content.media_type.as_str()) {
        return Ok(Some((content.bytes, content.media_type)));
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let typed: Typed =
        serde_json::from_slice(&content.bytes).with_context(|| format!("{what} is not valid JSON"))?;
    let assumed = if typed.manifests.is_some() { media::INDEX } else { media::MANIFEST };
    Ok(Some((content.bytes, typed.media_type.unwrap_or_else(|| assumed.into()))))
}

/// Whether a registry reports that it does not have something.
fn is_missing(error: &OciDistributionError) -> bool {
    matches!(error, OciDistributionError::ServerError { code: 404, .. })
}

/// An image on its way into a layout.
struct Pull<'a> {
    registry: &'a Registry,
    reference: &'a Reference,
    progress: &'a Progress,
    layout: Layout,
    /// How many more bytes it may have.
    left: u64,
}

impl Pull<'_> {
    /// Reads what an index has for `linux/amd64`, through indexes in it; nothing where it has none.
    async fn entry(&mut self, index: &Descriptor) -> Result<Option<Descriptor>> {
        let mut current = index.clone();
        for _ in 0..MAX_DEPTH {
            let Some(entry) = self.layout.entry_for_linux_amd64(&current)? else { return Ok(None) };
            let there = by_digest(self.reference, &entry.digest);
            let (bytes, _) = manifest(self.registry, &there, self.progress).await?.with_context(|| {
                format!("the index names {}, which the registry does not have", entry.digest)
            })?;
            self.spend(bytes.len() as u64)?;
            self.add(&entry, bytes)?;
            if !entry.is_index() {
                return Ok(Some(entry));
            }
            current = entry;
        }
        bail!("indexes are nested more than {MAX_DEPTH} deep: push the image alone")
    }

    /// Reads everything that a manifest names.
    async fn blobs(&mut self, manifest: &Descriptor) -> Result<()> {
        let manifest = self.layout.manifest(manifest)?;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            if self.layout.blob(blob).is_ok() {
                continue;
            }
            if blob.size > MAX_BLOB {
                bail!(
                    "{} has {} bytes, and {MAX_BLOB} are the most that a gateway accepts",
                    blob.digest,
                    blob.size
                );
            }
            self.spend(blob.size)?;
            self.progress.step(format_args!("pulling {} ({} bytes)", blob.media_type, blob.size));
            let path = format!("{}/blobs/{}", self.reference.repository(), blob.digest);
            let pulled =
                retry(self.progress, &blob.digest, async || self.registry.get(&path, &[], blob.size).await);
            let content = pulled.await.map_err(|error| self.registry.explain(error))?;
            self.add(blob, content.bytes)?;
        }
        Ok(())
    }

    /// Reads the artifacts that are attached to a manifest.
    async fn attached(&mut self, subject: &str) -> Result<()> {
        let entries = referrers(self.registry, self.reference, subject, self.progress).await?;
        if entries.len() > MAX_REFERRERS {
            bail!("{} artifacts are attached to {subject}: {MAX_REFERRERS} are read at most", entries.len());
        }
        for entry in entries {
            let about = by_digest(self.reference, &entry.digest);
            if let Some((bytes, media_type)) = manifest(self.registry, &about, self.progress).await? {
                self.spend(bytes.len() as u64)?;
                let about = self.layout.add_manifest_bytes(&media_type, bytes, None);
                if about.digest != entry.digest {
                    bail!("the registry answers with {} when it is asked for {}", about.digest, entry.digest);
                }
                self.blobs(&about).await?;
            }
        }
        Ok(())
    }

    /// Takes note of bytes that are about to be read.
    fn spend(&mut self, bytes: u64) -> Result<()> {
        let left = self.left.checked_sub(bytes);
        self.left = left.with_context(|| {
            format!("the image and what is attached to it have more than {MAX_LAYOUT} bytes: this is not a plug-in")
        })?;
        Ok(())
    }

    /// Adds what a descriptor stands for, if it is that.
    fn add(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) -> Result<()> {
        let added = self.layout.add_blob(&descriptor.media_type, bytes);
        if added.digest != descriptor.digest {
            bail!("the registry answers with {} when it is asked for {}", added.digest, descriptor.digest);
        }
        if added.size != descriptor.size {
            bail!("{} has {} bytes, and a manifest declares {}", added.digest, added.size, descriptor.size);
        }
        Ok(())
    }
}

/// The artifacts that are attached to a manifest: from the registry's list, or from the one under a tag that older
/// registries have (distribution specification, "Referrers Tag Schema").
pub(crate) async fn referrers(
    registry: &Registry,
    reference: &Reference,
    subject: &str,
    progress: &Progress,
) -> Result<Vec<Descriptor>> {
    let path = format!("{}/referrers/{subject}", reference.repository());
    let listed = retry(progress, "the list of what is attached", async || {
        registry.get(&path, &[media::INDEX], MAX_MANIFEST).await
    });
    let bytes = match listed.await {
        Ok(content) => content.bytes,
        Err(OciDistributionError::ServerError { code: 400 | 404 | 405, .. }) => {
            let tag = by_tag(reference, &subject.replace(':', "-"));
            let Some((bytes, _)) = manifest(registry, &tag, progress).await? else { return Ok(Vec::new()) };
            bytes
        }
        Err(error) => return Err(registry.explain(error)),
    };
    let index: Index =
        serde_json::from_slice(&bytes).context("the list of what is attached is not an index")?;
    Ok(index.manifests)
}
