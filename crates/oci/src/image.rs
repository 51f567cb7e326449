//! A plug-in's image, in the forms that gateways' fetchers take.

use std::io::Write;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde::Serialize;

use crate::fetch::MODULE_FILE;
use crate::{Annotations, Descriptor, Layout, Manifest, digest, media};

/// The form of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One file to a layer, the plug-in last, as Higress's `hgctl` builds it; all fetchers take it.
    Higress,
    /// The plug-in alone, as `docker load` takes it too.
    Plain,
}

/// The file of licenses beside the module, which gateways skip: they look for the module's name.
const LICENSES_FILE: &str = "THIRD_PARTY.txt";

/// A description in one language.
pub struct Document {
    /// The language's tag; none is English.
    pub language: Option<String>,
    /// Markdown.
    pub text: Vec<u8>,
}

/// What an image is made from.
pub struct Image {
    /// The module.
    pub module: Vec<u8>,
    /// `spec.yaml`.
    pub spec: Vec<u8>,
    /// READMEs, English first.
    pub documents: Vec<Document>,
    /// A picture (PNG).
    pub icon: Option<Vec<u8>>,
    /// The licenses of third parties whose software is in the module. They are in its archive, which is in every shape.
    pub licenses: Option<Vec<u8>>,
    /// The manifest's annotations.
    pub annotations: Annotations,
}

impl Image {
    /// Adds the image to a layout under a tag, and gives its manifest's descriptor.
    ///
    /// # Errors
    ///
    /// The archive or a manifest cannot be written; none of that depends on what is in them.
    pub fn add_to(&self, layout: &mut Layout, shape: Shape, tag: &str) -> Result<Descriptor> {
        let archive = archive(&self.module, self.licenses.as_deref())?;
        let mut layers = Vec::new();
        // What a layer is when it is unpacked, which the configuration names.
        let mut unpacked = Vec::new();
        if shape == Shape::Higress {
            let documents = self.documents.iter().map(|document| {
                let file = match &document.language {
                    None => "README.md".to_owned(),
                    Some(language) => format!("README_{}.md", language.to_uppercase()),
                };
                (media::document(document.language.as_deref()), &document.text, file)
            });
            let spec = std::iter::once((media::SPEC.to_owned(), &self.spec, "spec.yaml".to_owned()));
            let icon = self.icon.iter().map(|icon| (media::ICON.to_owned(), icon, "icon.png".to_owned()));
            for (media_type, bytes, file) in spec.chain(documents).chain(icon) {
                unpacked.push(digest(bytes));
                layers.push(titled(layout.add_blob(&media_type, bytes.clone()), &file));
            }
        }
        unpacked.push(digest(&archive));
        let compressed = gzip(&archive)?;
        layers.push(titled(layout.add_blob(media::LAYER, compressed), "plugin.tar.gz"));
        // Gateways do not look; `docker load` refuses images of other systems than its own.
        let (architecture, os) = match shape {
            Shape::Higress => ("wasm", "wasip1"),
            Shape::Plain => ("amd64", "linux"),
        };
        let rootfs = RootFs { diff_ids: unpacked, kind: "layers" };
        let config = Config { architecture, config: Empty {}, os, rootfs };
        let config = serde_json::to_vec(&config).context("writing the image's configuration")?;
        let config = layout.add_blob(media::CONFIG, config);
        let manifest = Manifest {
            schema_version: 2,
            media_type: media::MANIFEST.into(),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: self.annotations.clone(),
        };
        layout.add_manifest(&manifest, Some(tag))
    }
}

/// The image's configuration. As types, and not as `json!`, the order of whose fields is a feature of its crate that
/// another crate may enable.
#[derive(Serialize)]
struct Config<'a> {
    architecture: &'a str,
    config: Empty,
    os: &'a str,
    rootfs: RootFs,
}

#[derive(Serialize)]
struct RootFs {
    diff_ids: Vec<String>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Empty {}

fn titled(mut descriptor: Descriptor, file: &str) -> Descriptor {
    descriptor.annotations.insert("org.opencontainers.image.title".into(), file.into());
    descriptor
}

/// The module and then the licenses, in an archive that depends on their bytes alone: no times, no owners.
fn archive(module: &[u8], licenses: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (file, bytes) in [(MODULE_FILE, Some(module)), (LICENSES_FILE, licenses)] {
        let Some(bytes) = bytes else { continue };
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, file, bytes).context("writing the plug-in's archive")?;
    }
    archive.into_inner().context("writing the plug-in's archive")
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // The system that it was made on is part of the header: 255 is "unknown" (RFC 1952).
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(bytes).context("compressing the plug-in")?;
    encoder.finish().context("compressing the plug-in")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn image() -> Image {
        Image {
            module: b"\0asm\x01\0\0\0".to_vec(),
            spec: b"apiVersion: 1.0.0\n".to_vec(),
            documents: vec![
                Document { language: None, text: b"# a\n".to_vec() },
                Document { language: Some("zh".into()), text: b"# b\n".to_vec() },
            ],
            icon: None,
            licenses: None,
            annotations: [("module.wasm.image/variant".to_owned(), "compat".to_owned())].into(),
        }
    }

    #[test]
    fn the_plug_in_is_the_last_layer_and_the_rest_is_what_consoles_read() {
        let mut layout = Layout::default();
        let descriptor = image().add_to(&mut layout, Shape::Higress, "1.0.0").unwrap();
        let manifest = layout.manifest(&descriptor).unwrap();
        let types: Vec<_> = manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
        assert_eq!(types, [media::SPEC, &media::document(None), &media::document(Some("zh")), media::LAYER]);
        assert_eq!(crate::Reader::Fetcher.module(&layout, &manifest).unwrap(), image().module);
        assert_eq!(manifest.annotations["module.wasm.image/variant"], "compat");
    }

    #[test]
    fn licenses_are_beside_the_module_in_every_shape() {
        for shape in [Shape::Higress, Shape::Plain] {
            let mut layout = Layout::default();
            let image = Image { licenses: Some(b"MIT\n".to_vec()), ..image() };
            let descriptor = image.add_to(&mut layout, shape, "1.0.0").unwrap();
            let manifest = layout.manifest(&descriptor).unwrap();
            for reader in [crate::Reader::Fetcher, crate::Reader::Any] {
                assert_eq!(reader.module(&layout, &manifest).unwrap(), image.module);
            }
            let archive = archive(&image.module, image.licenses.as_deref()).unwrap();
            let mut archive = tar::Archive::new(archive.as_slice());
            let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
            assert_eq!(names.collect::<Vec<_>>(), [Path::new(MODULE_FILE), Path::new(LICENSES_FILE)]);
        }
    }

    #[test]
    fn the_same_plug_in_gives_the_same_digest() {
        // Known from one run, so that a new version of a crate, or a feature of it, that changes bytes is noticed.
        for (shape, layers, digest) in [
            (Shape::Higress, 4, "sha256:2b228252fbdfccfaa062a20f368ff9f5c7dd8182b469ac685e51cadccf5a2186"),
            (Shape::Plain, 1, "sha256:7b3ecf9dea7f0aec34c6932c521668228bd66e5951118cdb730b123a2c823a2a"),
        ] {
            let mut layout = Layout::default();
            let descriptor = image().add_to(&mut layout, shape, "1").unwrap();
            assert_eq!(layout.manifest(&descriptor).unwrap().layers.len(), layers);
            assert_eq!(descriptor.digest, digest);
        }
    }
}
