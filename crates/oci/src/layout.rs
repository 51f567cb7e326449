//! An image layout (image specification, "OCI Image Layout Specification"), as a folder or as one archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use resource::yaml;
use serde_json::{Value, json};

use crate::limits::{Limited, MAX_LAYOUT};
use crate::{Annotations, Descriptor, Index, Manifest, REF_NAME, digest, media};

const INDEX: &str = "index.json";
const MARKER: &str = "oci-layout";
/// What `docker load` looks for.
const DOCKER: &str = "manifest.json";

/// Manifests and everything that they name.
#[derive(Debug, Default, Clone)]
pub struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    /// The manifests of the index.
    pub manifests: Vec<Descriptor>,
}

impl Layout {
    /// Adds content.
    pub fn add_blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor {
            media_type: media_type.into(),
            digest: digest(&bytes),
            size: bytes.len() as u64,
            ..Descriptor::default()
        };
        self.blobs.insert(descriptor.digest.clone(), bytes);
        descriptor
    }

    /// Adds a manifest to the index, under a tag where it has one.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn add_manifest(&mut self, manifest: &Manifest, tag: Option<&str>) -> Result<Descriptor> {
        let bytes = serde_json::to_vec(manifest).context("writing a manifest")?;
        Ok(self.add_manifest_bytes(media::MANIFEST, bytes, tag))
    }

    /// Adds a manifest as it came, under a tag where it has one.
    pub fn add_manifest_bytes(&mut self, media_type: &str, bytes: Vec<u8>, tag: Option<&str>) -> Descriptor {
        let manifest = serde_json::from_slice::<Manifest>(&bytes).ok();
        let mut descriptor = self.add_blob(media_type, bytes);
        descriptor.artifact_type = manifest.and_then(|manifest| manifest.artifact_type);
        let bare = descriptor.clone();
        descriptor.annotations.extend(tag.map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
        self.manifests.push(descriptor);
        bare
    }

    /// Adds an artifact about another manifest: a referrer.
    ///
    /// # Errors
    ///
    /// Its manifest cannot be written.
    pub fn add_referrer(
        &mut self,
        subject: &Descriptor,
        artifact_type: &str,
        bytes: Vec<u8>,
        annotations: Annotations,
    ) -> Result<Descriptor> {
        let layer = self.add_blob(artifact_type, bytes);
        let config = self.add_blob(media::EMPTY, b"{}".to_vec());
        let manifest = Manifest {
            schema_version: 2,
            media_type: media::MANIFEST.into(),
            artifact_type: Some(artifact_type.into()),
            config,
            layers: vec![layer],
            subject: Some(subject.clone()),
            annotations,
        };
        self.add_manifest(&manifest, None)
    }

    /// The content of a descriptor.
    ///
    /// # Errors
    ///
    /// It is not there, or has another size.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<&[u8]> {
        let digest = &descriptor.digest;
        let bytes =
            self.blobs.get(digest).ok_or_else(|| anyhow!("there is no {digest}, which a manifest names"))?;
        if bytes.len() as u64 != descriptor.size {
            bail!("{digest} has {} bytes, and the manifest declares {}", bytes.len(), descriptor.size);
        }
        Ok(bytes)
    }

    /// A manifest.
    ///
    /// # Errors
    ///
    /// It does not exist or is not a manifest.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        serde_json::from_slice(self.blob(descriptor)?)
            .with_context(|| format!("{} is not a manifest of an image", descriptor.digest))
    }

    /// The `spec.yaml` of an image that has one.
    #[must_use]
    pub fn spec(&self, manifest: &Manifest) -> Option<Value> {
        let layer = manifest.layers.iter().find(|layer| layer.media_type == media::SPEC)?;
        let text = std::str::from_utf8(self.blob(layer).ok()?).ok()?;
        Some(yaml::read(text).ok()?.first()?.to_json())
    }

    /// The schema of a plug-in's configuration (OpenAPI v3), from the `spec.yaml` of an image that has one.
    #[must_use]
    pub fn schema(&self, manifest: &Manifest) -> Option<Value> {
        self.spec(manifest)?.pointer("/spec/configSchema/openAPIV3Schema").cloned()
    }

    /// The one image or index of images, beside which there are only artifacts about it.
    ///
    /// # Errors
    ///
    /// There is none, or more than one.
    pub fn top(&self) -> Result<&Descriptor> {
        let is_image = |descriptor: &&Descriptor| {
            descriptor.is_index()
                || self.manifest(descriptor).is_ok_and(|manifest| manifest.subject.is_none())
        };
        let images: Vec<_> = self.manifests.iter().filter(is_image).collect();
        match images.as_slice() {
            [image] => Ok(image),
            [] => match self.manifests.first() {
                Some(first) => Err(self
                    .manifest(first)
                    .map(drop)
                    .err()
                    .unwrap_or_else(|| anyhow!("{INDEX} lists no image, only artifacts about one"))),
                None => bail!("{INDEX} lists no manifest"),
            },
            _ => bail!("{INDEX} lists {} images: keep one", images.len()),
        }
    }

    /// The one image, with its tag: a layout of ours has no index of images.
    ///
    /// # Errors
    ///
    /// There is none, or more than one.
    pub fn image(&self) -> Result<(&Descriptor, Manifest)> {
        let image = self.top()?;
        Ok((image, self.manifest(image)?))
    }

    /// The manifests about another.
    #[must_use]
    pub fn referrers(&self, subject: &str) -> Vec<(&Descriptor, Manifest)> {
        let about = |descriptor| {
            let manifest = self.manifest(descriptor).ok()?;
            let is_about = manifest.subject.as_ref().is_some_and(|about| about.digest == subject);
            is_about.then_some((descriptor, manifest))
        };
        self.manifests.iter().filter_map(about).collect()
    }

    /// The files of the layout, by their paths.
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let index =
            Index { schema_version: 2, media_type: media::INDEX.into(), manifests: self.manifests.clone() };
        let mut files = BTreeMap::from([
            (MARKER.to_owned(), json!({ "imageLayoutVersion": "1.0.0" }).to_string().into_bytes()),
            (INDEX.to_owned(), serde_json::to_vec(&index).context("writing the index")?),
        ]);
        for (digest, bytes) in &self.blobs {
            files.insert(blob_path(digest)?, bytes.clone());
        }
        Ok(files)
    }

    /// Writes the layout as a folder: completely, or not at all.
    ///
    /// # Errors
    ///
    /// The folder cannot be written, or holds something else.
    pub fn write_folder(&self, folder: &Path) -> Result<()> {
        if folder.exists() && !folder.join(MARKER).is_file() {
            bail!("{} is there and no image layout: move it away", folder.display());
        }
        let next = sibling(folder, "next");
        let result = self.write_new(&next);
        if result.is_ok() && folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("replacing {}", folder.display()))?;
        }
        match result {
            Ok(()) => fs::rename(&next, folder).with_context(|| format!("writing {}", folder.display())),
            Err(error) => {
                // Remove a partial layout.
                let _ = fs::remove_dir_all(&next);
                Err(error)
            }
        }
    }

    fn write_new(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).with_context(|| format!("making the folder {}", blobs.display()))?;
        for (path, bytes) in self.files()? {
            let file = folder.join(path);
            fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }

    /// Writes the layout as one archive, which depends on its content alone. `docker_name` (`plugins/a:1.0.0`) makes it
    /// one that `docker load` takes as well.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_archive(&self, file: &Path, docker_name: Option<&str>) -> Result<()> {
        let mut files = self.files()?;
        if let Some(name) = docker_name {
            let (_, manifest) = self.image()?;
            let layers =
                manifest.layers.iter().map(|layer| blob_path(&layer.digest)).collect::<Result<Vec<_>>>()?;
            let config = blob_path(&manifest.config.digest)?;
            let docker = json!([{ "Config": config, "RepoTags": [name], "Layers": layers }]);
            files.insert(DOCKER.into(), docker.to_string().into_bytes());
        }
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in &files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            archive.append_data(&mut header, path, bytes.as_slice()).context("writing the archive")?;
        }
        let bytes = archive.into_inner().context("writing the archive")?;
        let next = sibling(file, "next");
        fs::write(&next, bytes).with_context(|| format!("writing {}", next.display()))?;
        fs::rename(&next, file).with_context(|| format!("writing {}", file.display()))
    }

    /// Reads a layout from a folder or an archive, and compares every blob with its digest.
    ///
    /// # Errors
    ///
    /// It is neither, or a byte in it has changed: the message names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let files = if path.is_dir() {
            folder_files(path)
        } else if path.is_file() {
            archive_files(path)
        } else {
            bail!(
                "{shown} is not there: give a layout's folder or archive, as `cargo xtask package` writes them"
            )
        };
        Self::from_files(&files?).with_context(|| {
            format!("{shown} is not an image layout: give a folder or archive, as `cargo xtask package` writes them")
        })
    }

    fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let index = files.get(INDEX).with_context(|| format!("there is no {INDEX}"))?;
        if !files.contains_key(MARKER) {
            bail!("there is no file {MARKER}");
        }
        let index: Index =
            serde_json::from_slice(index).with_context(|| format!("{INDEX} cannot be read"))?;
        let mut blobs = BTreeMap::new();
        for (path, bytes) in files {
            let Some(hex) = path.strip_prefix("blobs/sha256/") else { continue };
            let named = format!("sha256:{hex}");
            let found = digest(bytes);
            if found != named {
                bail!("{path} has been changed: its digest is {found}");
            }
            blobs.insert(named, bytes.clone());
        }
        let layout = Self { blobs, manifests: index.manifests };
        for descriptor in &layout.manifests {
            layout.blob(descriptor)?;
        }
        Ok(layout)
    }
}

/// Where a layout has a blob.
fn blob_path(digest: &str) -> Result<String> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex.map(|hex| format!("blobs/sha256/{hex}")).ok_or_else(|| anyhow!("`{digest}` is not a digest"))
}

/// A path beside another, for what becomes it.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

fn folder_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut left = MAX_LAYOUT;
    let mut read = |path: PathBuf, name: String| -> Result<()> {
        let shown = path.display();
        // Reading a pipe or a device might never end.
        if !path.is_file() {
            bail!("{shown} is not a file: remove it");
        }
        let file = fs::File::open(&path).with_context(|| format!("reading {shown}"))?;
        let mut bytes = Vec::new();
        let limited = Limited::new(file, left).read_to_end(&mut bytes);
        limited.with_context(|| format!("reading {shown}: the whole layout may have {MAX_LAYOUT} bytes"))?;
        left = left.saturating_sub(bytes.len() as u64);
        files.insert(name, bytes);
        Ok(())
    };
    for name in [MARKER, INDEX] {
        if folder.join(name).is_file() {
            read(folder.join(name), name.to_owned())?;
        }
    }
    let blobs = folder.join("blobs/sha256");
    if !blobs.is_dir() {
        // What is missing is found by whoever reads the files.
        return Ok(files);
    }
    for entry in fs::read_dir(&blobs).with_context(|| format!("reading {}", blobs.display()))? {
        let entry = entry.with_context(|| format!("reading {}", blobs.display()))?;
        read(entry.path(), format!("blobs/sha256/{}", entry.file_name().to_string_lossy()))?;
    }
    Ok(files)
}

fn archive_files(file: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let shown = file.display();
    let archive = fs::File::open(file).with_context(|| format!("reading {shown}"))?;
    let mut files = BTreeMap::new();
    let mut left = MAX_LAYOUT;
    let mut archive = tar::Archive::new(Limited::new(archive, MAX_LAYOUT));
    for entry in archive.entries().with_context(|| format!("{shown} is not an archive"))? {
        // What the library says quotes the bytes, which may be anything.
        let mut entry = entry.map_err(|error| {
            let why = if error.to_string().starts_with("more than ") {
                error.to_string()
            } else {
                "damaged".into()
            };
            anyhow!("{shown} is not an archive, or is incomplete ({why}): write it again")
        })?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().with_context(|| format!("{shown} has a file without a valid name"))?;
        let path = path.to_string_lossy().trim_start_matches("./").to_owned();
        // A sparse file may claim any size without having bytes.
        let mut bytes = Vec::new();
        let limited = Limited::new(&mut entry, left).read_to_end(&mut bytes);
        limited.with_context(|| format!("{shown}: reading {path}"))?;
        left = left.saturating_sub(bytes.len() as u64);
        files.insert(path, bytes);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, Shape};

    fn layout() -> Layout {
        let mut layout = Layout::default();
        let image = Image {
            module: b"\0asm".to_vec(),
            spec: b"a: b\n".to_vec(),
            documents: Vec::new(),
            icon: None,
            licenses: None,
            annotations: Annotations::new(),
        };
        let descriptor = image.add_to(&mut layout, Shape::Higress, "1.0.0").unwrap();
        layout.add_referrer(&descriptor, media::CYCLONEDX, b"{}".to_vec(), Annotations::new()).unwrap();
        layout
    }

    #[test]
    fn folders_and_archives_are_read_back() {
        let temporary = tempfile::tempdir().unwrap();
        let (folder, archive) = (temporary.path().join("image"), temporary.path().join("image.tar"));
        for _ in 0..2 {
            layout().write_folder(&folder).unwrap();
            layout().write_archive(&archive, Some("plugins/a:1")).unwrap();
        }
        for path in [&folder, &archive] {
            let read = Layout::read(path).unwrap();
            let (image, manifest) = read.image().unwrap();
            assert_eq!(image.annotations[REF_NAME], "1.0.0");
            assert_eq!(manifest.layers.len(), 2);
            assert_eq!(read.referrers(&image.digest).len(), 1);
        }
        let first = fs::read(&archive).unwrap();
        layout().write_archive(&archive, Some("plugins/a:1")).unwrap();
        assert_eq!(first, fs::read(&archive).unwrap());
    }

    #[test]
    fn a_byte_that_has_changed_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("image");
        layout().write_folder(&folder).unwrap();
        let blob = fs::read_dir(folder.join("blobs/sha256")).unwrap().next().unwrap().unwrap().path();
        let mut bytes = fs::read(&blob).unwrap();
        bytes[0] ^= 1;
        fs::write(&blob, bytes).unwrap();
        let error = format!("{:#}", Layout::read(&folder).unwrap_err());
        assert!(error.contains("has been changed") && error.contains("blobs/sha256/"), "{error}");
    }

    #[test]
    fn what_is_no_layout_is_neither_read_nor_overwritten() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("x");
        fs::write(&file, "not an archive").unwrap();
        for path in [&file, &temporary.path().to_path_buf(), &temporary.path().join("none")] {
            assert!(Layout::read(path).is_err(), "{}", path.display());
        }
        let error = format!("{:#}", Layout::read(temporary.path()).unwrap_err());
        assert!(error.contains("as `cargo xtask package` writes them: there is no index.json"), "{error}");
        assert!(layout().write_folder(temporary.path()).unwrap_err().to_string().contains("move it away"));
        assert!(file.is_file());
    }
}
