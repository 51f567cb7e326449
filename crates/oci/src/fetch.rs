//! How consumers find the module in an image, each in its own way.
//!
//! One model for the commands that report on images (`verify`), extract modules (`pull --module`) and run them (`serve`,
//! `request`), so that they agree with one another and with clusters.

use std::ffi::OsStr;
use std::io::Read;

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;

use crate::limits::{Limited, MAX_DEPTH, MAX_MODULE};
use crate::{Descriptor, Index, Layout, Manifest, media};

/// The one file that fetchers look for.
pub(crate) const MODULE_FILE: &str = "plugin.wasm";

/// A family of consumers that read images alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Istio's image fetcher (`pkg/wasm/imagefetcher.go`) and its copies in Envoy Gateway and Higress. What it fetches
    /// with, go-containerregistry, resolves an index to `linux/amd64` whatever the node is.
    Fetcher,
    /// Higress's plug-in server (`pull_plugins.py`): one manifest, never an index, with exactly one layer that can hold
    /// a module.
    PluginServer,
    /// People, who take the module out by whichever of the above works.
    Any,
}

/// An image's manifest, with an index resolved.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The manifest's descriptor, whose digest is what fetchers compare with a pinned one.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// Whether the manifest was found through an index.
    pub through_index: bool,
}

/// A layer in which a reader looks for the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The layer.
    pub layer: &'a Descriptor,
    /// How it holds the module.
    pub form: Form,
}

/// How a layer holds a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a file in a compressed archive.
    Archive,
    /// As it is.
    Bare,
}

impl Reader {
    /// Finds the image's manifest.
    ///
    /// # Errors
    ///
    /// The descriptor's content is not a manifest that this reader accepts.
    pub fn image(self, layout: &Layout, descriptor: &Descriptor) -> Result<Fetched> {
        let mut current = descriptor.clone();
        for depth in 0..=MAX_DEPTH {
            if media::DOCKER_SCHEMA_1.contains(&current.media_type.as_str()) {
                bail!("{} is Docker's first image format, which is no longer accepted", current.media_type);
            }
            // As in go-containerregistry, every other media type is tried as an image's manifest.
            if !current.is_index() {
                let manifest = layout.manifest(&current)?;
                return Ok(Fetched { descriptor: current, manifest, through_index: depth > 0 });
            }
            if self == Self::PluginServer {
                bail!(
                    "it is an index, which the plug-in server copies without looking into it: push the image alone"
                );
            }
            let Some(entry) = layout.entry_for_linux_amd64(&current)? else {
                let platforms = layout.platforms(&current)?;
                bail!(
                    "it is an index without an image for linux/amd64, which fetchers choose on every machine (it has \
                     {}): push the image alone, or for linux/amd64",
                    if platforms.is_empty() { "none at all".to_owned() } else { platforms.join(", ") }
                );
            };
            current = entry;
        }
        bail!("indexes are nested more than {MAX_DEPTH} deep: push the image alone")
    }

    /// The layers in which this reader looks for the module, in its order; the first one that holds a module counts.
    ///
    /// # Errors
    ///
    /// The image has no such layer.
    pub fn candidates(self, manifest: &Manifest) -> Result<Vec<Candidate<'_>>> {
        match self {
            Self::Fetcher => fetcher_candidates(manifest),
            Self::PluginServer => plugin_server_candidates(manifest),
            Self::Any => Self::Fetcher
                .candidates(manifest)
                .or_else(|error| Self::PluginServer.candidates(manifest).map_err(|_| error)),
        }
    }

    /// The module of an image.
    ///
    /// # Errors
    ///
    /// This reader finds none: the message says where it looked.
    pub fn module(self, layout: &Layout, manifest: &Manifest) -> Result<Vec<u8>> {
        if self == Self::Any {
            return Self::Fetcher
                .module(layout, manifest)
                .or_else(|error| Self::PluginServer.module(layout, manifest).map_err(|_| error));
        }
        let mut first = None;
        for Candidate { layer, form } in self.candidates(manifest)? {
            let bytes = layout.blob(layer)?;
            let module = match form {
                Form::Bare if bytes.len() as u64 > MAX_MODULE => {
                    Err(anyhow::anyhow!("the layer has more than {MAX_MODULE} bytes"))
                }
                Form::Bare => Ok(bytes.to_vec()),
                Form::Archive => self.module_in_archive(bytes),
            };
            match module {
                Ok(module) => return Ok(module),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| anyhow::anyhow!("there is no layer to look into")))
    }

    /// The module in a compressed archive.
    fn module_in_archive(self, bytes: &[u8]) -> Result<Vec<u8>> {
        // An archive may be compressed in several members, one after another, as lazily pulled images are (eStargz).
        let unpacked = Limited::new(MultiGzDecoder::new(bytes), MAX_MODULE);
        let mut archive = tar::Archive::new(unpacked);
        let mut found = None;
        for entry in archive.entries().context("the layer is not an archive")? {
            let mut entry =
                entry.context("the layer is not an archive compressed with gzip, or is damaged")?;
            let is_file = entry.header().entry_type().is_file();
            let path = entry.path().context("the archive has a file with an invalid name")?;
            let is_module = match self {
                // Whatever the entry is: a link or a folder of that name is read as an empty module.
                Self::Fetcher | Self::Any => path.file_name() == Some(OsStr::new(MODULE_FILE)),
                Self::PluginServer => is_file && path.as_os_str().as_encoded_bytes().ends_with(b".wasm"),
            };
            if !is_module {
                continue;
            }
            if found.is_some() {
                bail!("the archive has more than one .wasm file: keep one");
            }
            // A sparse file may claim any size without having bytes.
            let mut module = Vec::new();
            Limited::new(&mut entry, MAX_MODULE)
                .read_to_end(&mut module)
                .context("reading the module in the archive")?;
            if self != Self::PluginServer {
                return Ok(module);
            }
            found = Some(module);
        }
        found.with_context(|| match self {
            Self::PluginServer => "the archive has no .wasm file".to_owned(),
            Self::Fetcher | Self::Any => {
                format!("the archive has no file {MODULE_FILE}: give the module that name")
            }
        })
    }
}

/// Docker's layer type counts in a manifest that names Docker's media type, the OCI's in every other; then the last layer
/// is an archive. Two layers one of which is a module come second.
fn fetcher_candidates(manifest: &Manifest) -> Result<Vec<Candidate<'_>>> {
    let Some(last) = manifest.layers.last() else { bail!("there are none") };
    // Looked up by digest, as go-containerregistry does it: two layers of the same bytes have the type of the first.
    let last_type = manifest.media_type_of(&last.digest);
    let archive = Candidate { layer: last, form: Form::Archive };
    if manifest.media_type == media::DOCKER_MANIFEST {
        if last_type != media::DOCKER_LAYER {
            bail!("the last is {last_type}, and must be {} in a Docker manifest", media::DOCKER_LAYER);
        }
        return Ok(vec![archive]);
    }
    let mut candidates = Vec::new();
    if last_type == media::LAYER {
        candidates.push(archive);
    }
    if let [_, _] = manifest.layers.as_slice() {
        let is_module = |layer: &&Descriptor| manifest.media_type_of(&layer.digest) == media::MODULE;
        let module = manifest.layers.iter().find(is_module);
        candidates.extend(module.map(|layer| Candidate { layer, form: Form::Bare }));
    }
    if candidates.is_empty() {
        bail!(
            "the last is {last_type}, and must be {}, or one of exactly two must be {}",
            media::LAYER,
            media::MODULE
        );
    }
    Ok(candidates)
}

fn plugin_server_candidates(manifest: &Manifest) -> Result<Vec<Candidate<'_>>> {
    let form = |layer: &Descriptor| match layer.media_type.as_str() {
        media::LAYER | media::DOCKER_LAYER => Some(Form::Archive),
        media::MODULE => Some(Form::Bare),
        _ => None,
    };
    let candidates = manifest.layers.iter();
    let candidates: Vec<_> =
        candidates.filter_map(|layer| Some(Candidate { layer, form: form(layer)? })).collect();
    match candidates.len() {
        0 => bail!("none is {}, {} or {}", media::LAYER, media::DOCKER_LAYER, media::MODULE),
        1 => Ok(candidates),
        more => bail!("{more} could hold the module: keep one"),
    }
}

impl Layout {
    /// The first entry of an index for `linux/amd64`; an entry without a platform counts as that.
    ///
    /// # Errors
    ///
    /// The descriptor's content is not an index.
    pub fn entry_for_linux_amd64(&self, index: &Descriptor) -> Result<Option<Descriptor>> {
        let entry = self.index(index)?.manifests.into_iter().find(|entry| match &entry.platform {
            None => true,
            Some(platform) => platform.architecture == "amd64" && platform.os == "linux",
        });
        Ok(entry)
    }

    /// The platforms of an index.
    fn platforms(&self, index: &Descriptor) -> Result<Vec<String>> {
        let entries = self.index(index)?.manifests.into_iter();
        let platforms = entries.filter_map(|entry| entry.platform);
        Ok(platforms.map(|platform| format!("{}/{}", platform.os, platform.architecture)).collect())
    }

    fn index(&self, descriptor: &Descriptor) -> Result<Index> {
        serde_json::from_slice(self.blob(descriptor)?)
            .with_context(|| format!("{} is not an index of images", descriptor.digest))
    }
}
