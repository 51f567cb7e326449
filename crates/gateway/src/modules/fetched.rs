//! Modules from web servers and registries, and the cache in which they are kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use oci::registry::{self, Access};
use oci::{Fetched, Layout, Reader, Reference};
use resource::{PullPolicy, Spec};
use sha2::{Digest, Sha256};
use text::hex;

use super::{Module, ModuleError, Modules, at_url, image_name, pinned, short, write, wrong_digest};

impl Modules {
    pub(super) fn download(&mut self, spec: &Spec) -> Result<(Vec<u8>, Vec<PathBuf>)> {
        let url = spec.location();
        let file = self.folder("downloads", &url)?.join("module.wasm");
        if let Ok(kept) = fs::read(&file) {
            // A pinned module that is here already is not downloaded again; another one may have changed since this
            // process started.
            let current = match pinned(spec) {
                Some(digest) => digest == hex::encode(Sha256::digest(&kept)),
                None => self.pulled.contains(&url),
            };
            if current {
                return Ok((kept, Vec::new()));
            }
        }
        let bytes = registry::download(&url)?;
        write(&file, &bytes)?;
        self.pulled.insert(url);
        Ok((bytes, Vec::new()))
    }

    pub(super) fn pull(&mut self, spec: &Spec) -> Result<Module, ModuleError> {
        let url = spec.location();
        let layout = self.image(spec, &url).map_err(at_url)?;
        let fetched = fetched(&layout).map_err(at_url)?;
        let digest = hex_of(&fetched);
        if url.contains("@sha256:") && fetched.through_index {
            return Err(at_url(anyhow!(
                "pins an index, and clusters compare the digest with that of the image in it: write sha256:{digest}"
            )));
        }
        if let Some(expected) = pinned(spec).filter(|expected| *expected != digest) {
            return Err(wrong_digest(&expected, "manifest", &digest));
        }
        let bytes = Reader::Fetcher.module(&layout, &fetched.manifest).map_err(at_url)?;
        let tag = url.rsplit('/').next().and_then(|name| name.split('@').next()?.split_once(':'));
        let version = tag.map_or_else(|| short(&digest), |(_, tag)| tag.to_owned());
        let module = self.keep(&bytes, version, Vec::new()).map_err(at_url)?;
        Ok(Module { schema: layout.schema(&fetched.manifest), ..module })
    }

    /// The image of a resource: from the catalogue, from the cache, or pulled as a cluster does it.
    fn image(&mut self, spec: &Spec, url: &str) -> Result<Layout> {
        let reference = Reference::parse(url)?;
        if let Some(catalogue) = &self.sources.catalogue
            && let Some(entry) = catalogue.resolve(&reference)
        {
            return Ok(catalogue.layout(entry)?);
        }
        let folder = self.folder("images", url)?;
        // Gateways of this process and of others may pull the same image at the same time.
        let lock = folder.join("lock");
        let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.with_context(|| format!("locking {}", folder.display()))?;
        let folder = folder.join("image");
        // A tag that moves is looked up again when the gateway starts, an image that cannot change is kept.
        let moves = match spec.image_pull_policy {
            PullPolicy::Always => true,
            PullPolicy::IfNotPresent => false,
            PullPolicy::Unspecified => {
                let name = url.rsplit('/').next().unwrap_or_default();
                !url.contains("@sha256:") && (!name.contains(':') || name.ends_with(":latest"))
            }
        };
        if let Ok(kept) = Layout::read(&folder) {
            // The tag may have moved on to the digest that is pinned now.
            let is_pinned = pinned(spec)
                .is_none_or(|digest| fetched(&kept).is_ok_and(|fetched| hex_of(&fetched) == digest));
            if is_pinned && (!moves || self.pulled.contains(url)) {
                return Ok(kept);
            }
        }
        // As docker does: a registry on this machine has no certificate.
        let access = Access { plain_http: reference.is_loopback() };
        let layout =
            registry::pull(&reference, access, &|_| {}).map_err(|error| self.explain(error, url))?.layout;
        // The old one is removed when the new one is complete.
        let unfinished = folder.with_extension("new");
        clear(&unfinished)?;
        layout.write_folder(&unfinished)?;
        clear(&folder)?;
        fs::rename(&unfinished, &folder).with_context(|| format!("writing {}", folder.display()))?;
        self.pulled.insert(url.to_owned());
        Ok(layout)
    }

    /// The error with what may help.
    fn explain(&self, error: registry::Error, url: &str) -> Error {
        let is_here = self.plugins().is_some_and(|plugins| plugins.get(image_name(url)).is_some());
        let remedy = if is_here {
            "with `--from-source`, the plug-in of this workspace is built instead"
        } else {
            "is the name right?"
        };
        let is_absent = matches!(error, registry::Error::Unreachable { .. } | registry::Error::NotFound(_));
        let text = format!("{:#}", Error::from(error));
        if is_absent || is_here { anyhow!("{text}: {remedy}") } else { anyhow!("{text}") }
    }

    /// The folder in the cache for a URL.
    fn folder(&self, kind: &str, url: &str) -> Result<PathBuf> {
        let folder = self.cache.join(kind).join(hex::encode(Sha256::digest(url)));
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }
}

fn fetched(layout: &Layout) -> Result<Fetched> {
    Reader::Fetcher.image(layout, layout.top()?)
}

/// Removes a folder if it exists.
fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

/// The digest of an image's manifest without its algorithm, as resources pin it.
fn hex_of(fetched: &Fetched) -> String {
    fetched.descriptor.digest.trim_start_matches("sha256:").to_owned()
}
