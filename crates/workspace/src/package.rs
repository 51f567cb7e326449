//! A plug-in's image: its module, the files for consoles, and its bill of materials.

pub mod licenses;
pub mod sbom;
mod spec;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use oci::{Annotations, Descriptor, Document, Image, Layout, Shape, media};
use resource::{MANIFEST, Manifest};
use serde_json::Value;

use licenses::Licenses;
use sbom::Linked;

use crate::build::{Builder, TARGET};
use crate::describe::Described;
use crate::git::Tree;
use crate::rules::Rules;
use crate::schema::for_consoles;
use crate::{Error, Notice, Notify, Plugin, Result, Workspace};

/// The annotation of a module that holds headers during body callbacks.
pub const HOLDS_HEADERS: &str = "portcullis/holds-headers";

/// The annotation of an image of files that are not committed.
pub const DIRTY: &str = "portcullis/dirty";

/// The annotation of an image whose module contains rules: their name and version.
pub const RULES: &str = "portcullis/rules";

/// The parts of an image.
#[derive(Debug)]
pub struct Source {
    /// The plug-in's manifest.
    pub manifest: Manifest,
    /// The module.
    pub module: Vec<u8>,
    /// The folder of the READMEs and the icon.
    folder: PathBuf,
    /// The schema of its configuration; none if only its own code defines it.
    schema: Option<Value>,
    bill: Value,
    /// The licenses of third parties, if they are known.
    licenses: Option<String>,
    /// The name and version of the rules in the module.
    rules: Option<String>,
    tree: Tree,
    notify: Notify,
}

/// A finished image.
#[derive(Debug)]
pub struct Package {
    /// The layout with the image and its bill of materials.
    pub layout: Layout,
    /// The image's manifest in the layout.
    pub image: Descriptor,
    /// `spec.yaml`.
    pub spec: Vec<u8>,
    /// The bill of materials, CycloneDX.
    pub bill: Vec<u8>,
}

impl Source {
    /// A plug-in of this workspace, whose module has been built.
    ///
    /// # Errors
    ///
    /// A part is missing, or the plug-in rejects the example of its manifest.
    pub fn of_plugin(
        workspace: &Workspace,
        builder: &Builder,
        plugin: &Plugin,
        module: &Path,
    ) -> Result<Self> {
        let manifest = plugin.manifest()?;
        let schema = schema_of(workspace, plugin, &manifest)?;
        let module = fs::read(module).map_err(Error::reading(module))?;
        let rules = builder.rules(plugin);
        let linked = sbom::linked_into(workspace, &plugin.name, TARGET)?;
        Ok(Self {
            bill: sbom::of_plugin(workspace, &linked, &manifest, &module, rules)?,
            licenses: Some(licenses_of(workspace, &plugin.name, &linked, rules)?),
            rules: rules.map(|rules| format!("{} {}", rules.name, rules.version)),
            manifest,
            module,
            folder: plugin.folder.clone(),
            schema,
            tree: Tree::of(&workspace.root)?,
            notify: workspace.notify,
        })
    }

    /// A module that was built elsewhere, with a manifest for it.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the manifest is rejected.
    pub fn of_files(module: &Path, manifest: &Path, notify: Notify) -> Result<Self> {
        let bytes = fs::read(module).map_err(Error::reading(module))?;
        let described = Manifest::read_foreign(manifest)?;
        let folder = folder_of(manifest);
        let texts = licenses::texts_in(folder)?;
        Ok(Self {
            bill: sbom::of_module(&described, &bytes),
            licenses: (!texts.is_empty()).then(|| texts.join("\n")),
            rules: None,
            module: bytes,
            folder: folder.to_path_buf(),
            schema: None,
            manifest: described,
            tree: Tree::Unknown,
            notify,
        })
    }

    /// The image in a layout, under a tag.
    ///
    /// # Errors
    ///
    /// A file of the plug-in's folder cannot be read.
    pub fn package(&self, shape: Shape, tag: &str) -> Result<Package> {
        let spec = spec::of(&self.manifest, self.schema.as_ref())?.into_bytes();
        let image = Image {
            module: self.module.clone(),
            spec: spec.clone(),
            documents: documents(&self.folder)?,
            icon: icon(&self.folder)?,
            licenses: self.licenses.clone().map(String::into_bytes),
            annotations: self.annotations(),
        };
        let mut layout = Layout::default();
        let image = image.add_to(&mut layout, shape, tag).map_err(Error::Image)?;
        let bill = serde_json::to_vec_pretty(&self.bill).map_err(|error| Error::Image(error.into()))?;
        let about = [("org.opencontainers.image.title".to_owned(), "sbom.cdx.json".to_owned())];
        layout.add_referrer(&image, media::CYCLONEDX, bill.clone(), about.into()).map_err(Error::Image)?;
        Ok(Package { layout, image, spec, bill })
    }

    fn annotations(&self) -> Annotations {
        let manifest = &self.manifest;
        let standard = |name: &str| format!("org.opencontainers.image.{name}");
        let mut annotations = Annotations::from([
            // Required by Istio's image specification for an image of any container tool.
            ("module.wasm.image/variant".to_owned(), "compat".to_owned()),
            (standard("title"), manifest.name.clone()),
            (standard("description"), manifest.description.clone()),
            (standard("version"), manifest.version.clone()),
        ]);
        if manifest.holds_headers {
            annotations.insert(HOLDS_HEADERS.into(), "true".into());
        }
        if let Some(rules) = &self.rules {
            annotations.insert(RULES.into(), rules.clone());
        }
        match &self.tree {
            Tree::Clean(revision) => {
                annotations.insert(standard("revision"), revision.commit.clone());
                annotations.insert(standard("created"), revision.time.clone());
            }
            Tree::Changed(files) => {
                (self.notify)(&Notice::NoCommit(files));
                annotations.insert(DIRTY.into(), "true".into());
            }
            Tree::Unknown => {}
        }
        annotations
    }
}

/// The schema for consoles, if the plug-in accepts the example; none for the classic style.
fn schema_of(workspace: &Workspace, plugin: &Plugin, manifest: &Manifest) -> Result<Option<Value>> {
    let Described::Typed(describer) = workspace.describe(plugin)? else { return Ok(None) };
    if let Some(refusal) = describer.check(&Value::Object(manifest.example.clone()))?.into_iter().next() {
        return Err(Error::Example {
            manifest: plugin.shown.join(MANIFEST),
            refusal: format!("{}: {}", refusal.path, refusal.message),
        });
    }
    Ok(Some(for_consoles(describer.schema()?, manifest)))
}

/// The folder of a file, which is the current one for a name without a folder.
#[must_use]
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The licenses of what a plug-in's module is made of.
fn licenses_of(
    workspace: &Workspace,
    plugin: &str,
    linked: &[Linked],
    rules: Option<&Rules>,
) -> Result<String> {
    let mut licenses = Licenses::of_crates(workspace, linked)?;
    if let Some(Rules { folder, name, version, license }) = rules {
        let texts = licenses::texts_in(folder)?;
        licenses.add(name, version, license.as_deref().unwrap_or("unknown license"), "", texts);
    }
    Ok(format!("This is the plug-in {plugin}. {licenses}"))
}

/// `README.md`, then its translations: `README.zh.md`, or `README_ZH.md` as in Higress's plug-ins.
fn documents(folder: &Path) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    let entries = fs::read_dir(folder).map_err(Error::reading(folder))?;
    for entry in entries {
        let file = entry.map_err(Error::reading(folder))?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let language = match name.strip_prefix("README").and_then(|rest| rest.strip_suffix(".md")) {
            None => continue,
            Some("") => None,
            Some(language) => match language.strip_prefix(['.', '_']) {
                None => continue,
                // `README_EN.md` accompanies a README in another language.
                Some(language) => Some(language.to_lowercase()),
            },
        };
        let text = fs::read(&file).map_err(Error::reading(&file))?;
        documents.push(Document { language, text });
    }
    documents.sort_by(|a, b| a.language.cmp(&b.language));
    Ok(documents)
}

fn icon(folder: &Path) -> Result<Option<Vec<u8>>> {
    let file = folder.join("icon.png");
    match file.is_file() {
        true => Ok(Some(fs::read(&file).map_err(Error::reading(&file))?)),
        false => Ok(None),
    }
}
