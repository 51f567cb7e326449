//! Pushes a layout's image with what is attached to it, pulls it back, and compares.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use oci::{Descriptor, Layout, Manifest, media};
use oci_client::{Reference, RegistryOperation};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Registry;
use crate::reference::{self, by_digest, by_tag};
use crate::retry::retry;
use crate::{Access, LAYOUT, Progress, Usage, digest_file, pull};

/// What `cargo xtask push` has resolved; its `--help` is that command's.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A layout's folder or archive.
    #[arg(value_name = LAYOUT)]
    layout: PathBuf,
    /// Where to: oci://HOST/REPOSITORY:TAG.
    #[arg(value_name = "oci://…")]
    image: String,
    /// Let a tag that means another image mean this one.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    access: Access,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pushed {
    image: String,
    digest: String,
    /// The image with its digest, which is what a deployment names.
    pinned: String,
    /// Digests of what is attached to it.
    attached: Vec<String>,
    /// Whether the registry had the image under that tag.
    was_there: bool,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let reference = reference::parse(&args.image)?;
    if reference.digest().is_some() {
        bail!(Usage(format!("{}: push to a tag: the digest follows from the image", args.image)));
    }
    let progress = Progress { quiet: args.access.quiet };
    let layout = Layout::read(&args.layout)?;
    let top = layout.top()?;
    if top.is_index() {
        bail!(
            "{} is an index of images, whose digest no cluster can pin: push the image alone, as `cargo xtask package` \
             writes it",
            args.layout.display()
        );
    }
    let (image, manifest) = layout.image()?;
    let registry = Registry::open(&reference, &args.access, RegistryOperation::Push).await?;

    let there = pull::manifest(&registry, &reference, &progress).await?.map(|(bytes, _)| oci::digest(&bytes));
    if let Some(there) = there.as_ref().filter(|there| **there != image.digest && !args.overwrite) {
        bail!(
            "{reference} is there already, as {there}, and this image is {}: push it under another tag, or let the tag \
             move with --overwrite",
            image.digest
        );
    }
    let push = Push { registry: &registry, reference: &reference, progress: &progress, layout: &layout };
    push.blobs(&manifest).await?;
    let mut attached = Vec::new();
    for (descriptor, about) in layout.referrers(&image.digest) {
        push.blobs(&about).await?;
        push.manifest(&by_digest(&reference, &descriptor.digest), descriptor).await?;
        push.attach(image, descriptor, &about).await?;
        attached.push(descriptor.digest.clone());
    }
    // Last, so that whoever finds the tag finds everything.
    push.manifest(&reference, image).await?;
    push.compare(image, &attached).await?;

    let pinned = format!("{}/{}@{}", reference.registry(), reference.repository(), image.digest);
    let file = digest_file(&args.layout)?;
    fs::write(&file, format!("{}\n", image.digest)).with_context(|| format!("writing {}", file.display()))?;
    if args.json {
        let pushed = Pushed {
            image: reference.whole(),
            digest: image.digest.clone(),
            pinned,
            attached,
            was_there: there.is_some_and(|there| there == image.digest),
        };
        anstream::println!("{}", serde_json::to_string_pretty(&pushed)?);
    } else {
        let title = manifest.annotations.get("org.opencontainers.image.title");
        let title = title.map_or("the image", String::as_str);
        progress.step(format_args!("{title} is at oci://{}; deploy it by its digest:", reference.whole()));
        anstream::println!("oci://{pinned}");
    }
    Ok(())
}

struct Push<'a> {
    registry: &'a Registry,
    reference: &'a Reference,
    progress: &'a Progress,
    layout: &'a Layout,
}

impl Push<'_> {
    /// Sends what a manifest names and the registry does not have.
    async fn blobs(&self, manifest: &Manifest) -> Result<()> {
        let Self { registry, reference, progress, layout } = self;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            let bytes = layout.blob(blob)?.to_vec();
            let what = format!("{} ({} bytes)", blob.media_type, blob.size);
            let there =
                retry(progress, &what, async || registry.client.blob_exists(reference, &blob.digest).await);
            if there.await.map_err(|error| registry.explain(error))? {
                progress.step(format_args!("{what} is there"));
                continue;
            }
            progress.step(format_args!("pushing {what}"));
            let pushed = retry(progress, &what, async || {
                registry.client.push_blob(reference, bytes.clone(), &blob.digest).await
            });
            pushed.await.map_err(|error| registry.explain(error))?;
        }
        Ok(())
    }

    /// Sends a manifest, in the bytes that its digest is of.
    async fn manifest(&self, to: &Reference, descriptor: &Descriptor) -> Result<()> {
        self.manifest_bytes(to, &descriptor.media_type, self.layout.blob(descriptor)?.to_vec()).await
    }

    async fn manifest_bytes(&self, to: &Reference, media_type: &str, bytes: Vec<u8>) -> Result<()> {
        let media_type = media_type.parse().with_context(|| format!("{media_type:?} is no media type"))?;
        let pushed = retry(self.progress, "the manifest", async || {
            self.registry.client.push_manifest_raw(to, bytes.clone(), Clone::clone(&media_type)).await
        });
        pushed.await.map(drop).map_err(|error| self.registry.explain(error))
    }

    /// Sees to it that what is about an image is found: a registry that does not keep a list of it by itself has one
    /// under a tag (distribution specification, "Referrers Tag Schema").
    async fn attach(&self, image: &Descriptor, about: &Descriptor, manifest: &Manifest) -> Result<()> {
        let listed = pull::referrers(self.registry, self.reference, &image.digest, self.progress).await?;
        if listed.iter().any(|entry| entry.digest == about.digest) {
            return Ok(());
        }
        let list = by_tag(self.reference, &image.digest.replace(':', "-"));
        let before = pull::manifest(self.registry, &list, self.progress).await?;
        let mut entries: Vec<Value> = match before {
            None => Vec::new(),
            Some((bytes, _)) => {
                let index: Value = serde_json::from_slice(&bytes).context("the list of referrers")?;
                index.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default()
            }
        };
        let entry = Descriptor { annotations: manifest.annotations.clone(), ..about.clone() };
        entries.push(serde_json::to_value(entry)?);
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
        self.manifest_bytes(&list, media::INDEX, serde_json::to_vec(&index)?).await
    }

    /// Pulls everything back.
    async fn compare(&self, image: &Descriptor, attached: &[String]) -> Result<()> {
        self.progress.step("pulling it back to compare");
        let quiet = Progress { quiet: true };
        let (back, pulled) = pull::image(self.registry, self.reference, &quiet).await?;
        if pulled.digest != image.digest {
            bail!("{} was pushed, and {} comes back: somebody else has pushed", image.digest, pulled.digest);
        }
        for digest in attached {
            if !back.manifests.iter().any(|descriptor| descriptor.digest == *digest) {
                bail!("{digest}, which is about the image, was pushed and does not come back");
            }
        }
        Ok(())
    }
}
