//! A plug-in's image, put together: its module, what a console shows of it, and what is inside of it.

mod revision;
mod sbom;
mod spec;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci::{Annotations, Descriptor, Document, Image, Layout, Shape, media};
use resource::Manifest;
use serde_json::Value;

use crate::git::listed;
use crate::helper::Helper;
use crate::output;
use crate::schema::for_consoles;
use crate::workspace::{Plugin, Workspace};

pub(crate) use revision::Tree;

/// The annotation of a module that holds headers back while body callbacks run.
pub(crate) const HOLDS_HEADERS: &str = "portcullis/holds-headers";

/// The annotation of an image that was made from files which are not those of a commit.
pub(crate) const DIRTY: &str = "portcullis/dirty";

/// What an image is made from.
pub(crate) struct Source {
    pub(crate) manifest: Manifest,
    pub(crate) module: Vec<u8>,
    /// Where the READMEs and the icon are.
    folder: PathBuf,
    /// The schema of its configuration; nothing of plug-ins that only their own code knows.
    schema: Option<Value>,
    bill: Value,
    tree: Tree,
}

/// An image, finished.
pub(crate) struct Package {
    pub(crate) layout: Layout,
    pub(crate) image: Descriptor,
    pub(crate) spec: Vec<u8>,
    pub(crate) bill: Vec<u8>,
}

impl Source {
    /// A plug-in of this workspace, whose module has been built.
    pub(crate) fn of_plugin(workspace: &Workspace, plugin: &Plugin, module: &Path) -> Result<Self> {
        let manifest = plugin.manifest()?;
        let schema = match plugin.classic {
            true => None,
            false => Some(schema_of(workspace, plugin, &manifest)?),
        };
        let module = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
        Ok(Self {
            bill: sbom::of_plugin(workspace, plugin, &manifest, &module)?,
            manifest,
            module,
            folder: plugin.folder.clone(),
            schema,
            tree: Tree::of(&workspace.root)?,
        })
    }

    /// A module that was built elsewhere, with a manifest for it.
    pub(crate) fn of_files(module: &Path, manifest: &Path) -> Result<Self> {
        let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
        let described = Manifest::read_foreign(manifest)?;
        Ok(Self {
            bill: sbom::of_module(&described, &bytes),
            module: bytes,
            folder: manifest.parent().unwrap_or(Path::new(".")).to_path_buf(),
            schema: None,
            manifest: described,
            tree: Tree::Unknown,
        })
    }

    /// The image in a layout, under a tag.
    pub(crate) fn package(&self, shape: Shape, tag: &str) -> Result<Package> {
        let spec = spec::of(&self.manifest, self.schema.as_ref())?.into_bytes();
        let image = Image {
            module: self.module.clone(),
            spec: spec.clone(),
            documents: documents(&self.folder)?,
            icon: icon(&self.folder)?,
            annotations: self.annotations(),
        };
        let mut layout = Layout::default();
        let image = image.add_to(&mut layout, shape, tag)?;
        let bill = serde_json::to_vec_pretty(&self.bill).context("writing the bill of materials")?;
        let about = [("org.opencontainers.image.title".to_owned(), "sbom.cdx.json".to_owned())];
        layout.add_referrer(&image, media::CYCLONEDX, bill.clone(), about.into())?;
        Ok(Package { layout, image, spec, bill })
    }

    fn annotations(&self) -> Annotations {
        let manifest = &self.manifest;
        let standard = |name: &str| format!("org.opencontainers.image.{name}");
        let mut annotations = Annotations::from([
            // What Istio's image specification asks of an image for any container tool.
            ("module.wasm.image/variant".to_owned(), "compat".to_owned()),
            (standard("title"), manifest.name.clone()),
            (standard("description"), manifest.description.clone()),
            (standard("version"), manifest.version.clone()),
        ]);
        if manifest.holds_headers {
            annotations.insert(HOLDS_HEADERS.into(), "true".into());
        }
        match &self.tree {
            Tree::Clean(revision) => {
                annotations.insert(standard("revision"), revision.commit.clone());
                annotations.insert(standard("created"), revision.time.clone());
            }
            Tree::Changed(files) => {
                output::warning(format_args!(
                    "the image names no commit, because of files that are new or changed: {}",
                    listed(files)
                ));
                annotations.insert(DIRTY.into(), "true".into());
            }
            Tree::Unknown => {}
        }
        annotations
    }
}

/// The schema for consoles, and the word of the plug-in that it takes the example.
fn schema_of(workspace: &Workspace, plugin: &Plugin, manifest: &Manifest) -> Result<Value> {
    let helper = Helper::build(workspace, plugin)?;
    if let Some(refusal) = helper.check(&Value::Object(manifest.example.clone()))?.into_iter().next() {
        bail!(
            "{}: example: the plug-in refuses it: {}: {}",
            plugin.shown.join(resource::MANIFEST).display(),
            refusal.path,
            refusal.message
        );
    }
    Ok(for_consoles(helper.schema()?, manifest))
}

/// `README.md`, then its translations: `README.zh.md`, or `README_ZH.md` as Higress's plug-ins have them.
fn documents(folder: &Path) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let file = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let language = match name.strip_prefix("README").and_then(|rest| rest.strip_suffix(".md")) {
            None => continue,
            Some("") => None,
            Some(language) => match language.strip_prefix(['.', '_']) {
                None => continue,
                // `README_EN.md` stands beside a README in another language.
                Some(language) => Some(language.to_lowercase()),
            },
        };
        let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        documents.push(Document { language, text });
    }
    documents.sort_by(|a, b| a.language.cmp(&b.language));
    Ok(documents)
}

fn icon(folder: &Path) -> Result<Option<Vec<u8>>> {
    let file = folder.join("icon.png");
    match file.is_file() {
        true => Ok(Some(fs::read(&file).with_context(|| format!("reading {}", file.display()))?)),
        false => Ok(None),
    }
}
