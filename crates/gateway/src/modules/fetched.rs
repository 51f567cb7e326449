//! Modules that are somewhere else: on a web server or in a registry, and in a cache once they have come.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use oci::registry::{self, Access};
use oci::{Fetched, Layout, Reader, Reference};
use resource::{PullPolicy, Spec};
use sha2::{Digest, Sha256};

use text::hex;

use super::{Module, ModuleError, Modules, image_name, short, wanted, wrong_digest};

impl Modules {
    pub(super) fn download(&mut self, spec: &Spec) -> Result<(Vec<u8>, Vec<PathBuf>)> {
        let url = spec.location();
        let url = url.as_str();
        let file = self.folder("downloads", url)?.join("module.wasm");
        let kept = fs::read(&file).ok();
        // What is pinned and here is not asked for again; what is not may have changed since the last start.
        let right = kept
            .as_ref()
            .is_some_and(|bytes| wanted(spec).as_ref() == Some(&hex::encode(Sha256::digest(bytes))));
        let fetched = kept.is_some() && wanted(spec).is_none() && self.pulled.contains(url);
        if !right && !fetched {
            let bytes = registry::download(url)?;
            let unfinished = file.with_extension("new");
            fs::write(&unfinished, bytes)
                .and_then(|()| fs::rename(&unfinished, &file))
                .with_context(|| format!("writing {}", file.display()))?;
            self.pulled.insert(url.to_owned());
        }
        Ok((fs::read(&file).with_context(|| format!("reading {}", file.display()))?, Vec::new()))
    }

    pub(super) fn pull(&mut self, spec: &Spec) -> Result<Module, ModuleError> {
        let at_url = |cause| ModuleError { field: "url", cause };
        let url = spec.location();
        let url = url.as_str();
        let folder = self.folder("images", url).map_err(at_url)?.join("image");
        let pinned = url.contains("@sha256:");
        // As a cluster does it: what moves is looked for again when the gateway starts, what does not is kept.
        let moves = match spec.image_pull_policy {
            PullPolicy::Always => true,
            PullPolicy::IfNotPresent => false,
            PullPolicy::Unspecified => {
                let name = url.rsplit('/').next().unwrap_or_default();
                !pinned && (!name.contains(':') || name.ends_with(":latest"))
            }
        };
        let (mut kept, again) = (Layout::read(&folder).ok(), moves && !self.pulled.contains(url));
        let fetch = |layout: &Layout| Reader::Fetcher.image(layout, layout.top()?);
        if let (Some(wanted), Some(layout)) = (wanted(spec), &kept)
            && fetch(layout).ok().map(|fetched| hex_of(&fetched)) != Some(wanted)
        {
            // The tag may have moved on to what is wanted now.
            kept = None;
        }
        let layout = match kept.filter(|_| !again) {
            Some(layout) => layout,
            None => {
                // The one that is kept goes only when another one has come.
                let layout = self.pull_layout(url).map_err(at_url)?;
                layout.write_folder(&folder).map_err(at_url)?;
                self.pulled.insert(url.to_owned());
                layout
            }
        };
        let fetched = fetch(&layout).map_err(at_url)?;
        let digest = hex_of(&fetched);
        if pinned && fetched.through_index {
            return Err(at_url(anyhow!(
                "pins an index, and clusters compare the digest with that of the image in it: write sha256:{digest}"
            )));
        }
        if let Some(wanted) = wanted(spec).filter(|wanted| *wanted != digest) {
            return Err(wrong_digest(&wanted, "manifest", &digest));
        }
        let bytes = Reader::Fetcher.module(&layout, &fetched.manifest).map_err(at_url)?;
        let tag = url.rsplit('/').next().and_then(|name| name.split('@').next()?.split_once(':'));
        let version = tag.map_or_else(|| short(&digest), |(_, tag)| tag.to_owned());
        self.keep(&bytes, version, Vec::new()).map_err(at_url)
    }

    fn pull_layout(&self, url: &str) -> Result<Layout> {
        let reference = Reference::parse(url)?;
        // As docker does: a registry on this machine has no certificate.
        let access = Access { plain_http: reference.is_loopback() };
        match registry::pull(&reference, access, &|_| {}) {
            Ok(pulled) => Ok(pulled.layout),
            Err(registry::Error::Unreachable { server, source }) => {
                let remedy = match self.workspace.plugin(image_name(url)) {
                    Some(_) => "with `--from-source`, this workspace's plug-in is built instead",
                    None => "is the name right?",
                };
                Err(anyhow::Error::new(source).context(format!("cannot reach {server}: {remedy}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The folder in the cache for a URL.
    fn folder(&self, kind: &str, url: &str) -> Result<PathBuf> {
        let folder = self.workspace.target.join("serve").join(kind).join(hex::encode(Sha256::digest(url)));
        fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        Ok(folder)
    }
}

/// The digest of an image's manifest without its algorithm, as resources pin it.
fn hex_of(fetched: &Fetched) -> String {
    fetched.descriptor.digest.trim_start_matches("sha256:").to_owned()
}
