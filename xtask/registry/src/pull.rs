//! Pulls an image with what is attached to it into a layout.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use oci::{Descriptor, Layout, media};
use oci_client::errors::OciDistributionError;
use oci_client::{Reference, RegistryOperation};

use crate::access::Registry;
use crate::reference::{self, by_digest};
use crate::retry::retry;
use crate::{Access, LAYOUT, Progress};

/// What a registry may answer with when it is asked for a manifest.
const ACCEPTED: [&str; 4] = [media::MANIFEST, media::DOCKER_MANIFEST, media::INDEX, media::DOCKER_INDEX];

/// No image of a plug-in has larger parts.
const LARGEST: u64 = 512 * 1024 * 1024;

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
        let module = oci::module_of(&layout, &layout.manifest(&image)?)?;
        std::fs::write(file, module).with_context(|| format!("writing {}", file.display()))?;
    }
    if !args.access.quiet {
        anstream::println!("{}", image.digest);
        progress.step(format_args!("wrote {}", folder.display()));
    }
    Ok(())
}

/// An image with all that it names, and the artifacts that are about it.
pub(crate) async fn image(
    registry: &Registry,
    reference: &Reference,
    progress: &Progress,
) -> Result<(Layout, Descriptor)> {
    let (bytes, media_type) = manifest(registry, reference, progress)
        .await?
        .with_context(|| format!("there is no {reference} in the registry"))?;
    let mut layout = Layout::default();
    let image = layout.add_manifest_bytes(&media_type, bytes, reference.tag());
    if let Some(asked) = reference.digest()
        && asked != image.digest
    {
        bail!("the registry answers with {} when it is asked for {asked}: do not use it", image.digest);
    }
    // What an index names is of other platforms; that it is one is all there is to say about it.
    if [media::INDEX, media::DOCKER_INDEX].contains(&image.media_type.as_str()) {
        return Ok((layout, image));
    }
    blobs(registry, reference, progress, &mut layout, &image).await?;
    let subject = by_digest(reference, &image.digest);
    let referrers = registry.client.pull_referrers(&subject, None).await;
    for entry in referrers.map_err(|error| registry.explain(error))?.manifests {
        let about = by_digest(reference, &entry.digest);
        if let Some((bytes, media_type)) = manifest(registry, &about, progress).await? {
            let about = layout.add_manifest_bytes(&media_type, bytes, None);
            if about.digest != entry.digest {
                bail!("the registry answers with {} when it is asked for {}", about.digest, entry.digest);
            }
            blobs(registry, reference, progress, &mut layout, &about).await?;
        }
    }
    Ok((layout, image))
}

/// A manifest's bytes and media type; nothing when there is none.
pub(crate) async fn manifest(
    registry: &Registry,
    reference: &Reference,
    progress: &Progress,
) -> Result<Option<(Vec<u8>, String)>> {
    let what = format!("the manifest {reference}");
    let pulled = retry(progress, &what, async || {
        registry.client.pull_manifest_raw(reference, &registry.auth, &ACCEPTED).await
    });
    let bytes = match pulled.await {
        Ok((bytes, _)) => bytes.to_vec(),
        Err(OciDistributionError::ImageManifestNotFoundError(_)) => return Ok(None),
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(registry.explain(error)),
    };
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
        manifests: Option<serde_json::Value>,
    }
    let typed: Typed = serde_json::from_slice(&bytes).with_context(|| format!("{what} is no JSON"))?;
    let assumed = if typed.manifests.is_some() { media::INDEX } else { media::MANIFEST };
    Ok(Some((bytes, typed.media_type.unwrap_or_else(|| assumed.into()))))
}

/// Whether a registry says that it does not have something.
fn is_missing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            let code = format!("{:?}", error.code);
            matches!(code.as_str(), "ManifestUnknown" | "NameUnknown" | "NotFound")
        }),
        _ => false,
    }
}

/// Everything that a manifest names.
async fn blobs(
    registry: &Registry,
    reference: &Reference,
    progress: &Progress,
    layout: &mut Layout,
    manifest: &Descriptor,
) -> Result<()> {
    let manifest = layout.manifest(manifest)?;
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        if blob.size > LARGEST {
            bail!("{} has {} bytes, more than any gateway takes", blob.digest, blob.size);
        }
        progress.step(format_args!("pulling {} ({} bytes)", blob.media_type, blob.size));
        let pulled = retry(progress, &blob.digest, async || {
            let mut bytes = Vec::new();
            registry.client.pull_blob(reference, blob.digest.as_str(), &mut bytes).await?;
            Ok(bytes)
        });
        let bytes = pulled.await.map_err(|error| registry.explain(error))?;
        let added = layout.add_blob(&blob.media_type, bytes);
        if added.digest != blob.digest {
            bail!("the registry answers with {} when it is asked for {}", added.digest, blob.digest);
        }
    }
    Ok(())
}
