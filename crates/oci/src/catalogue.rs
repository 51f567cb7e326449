//! A catalogue: a folder with the images of plug-ins as layouts, and an index of them.
//!
//! ```text
//! catalogue/
//!   catalogue.json            the index
//!   request-block-1.0.0/      an OCI layout
//! ```
//!
//! The index alone is also published, as an artifact in a repository of its own: `…/catalogue:<version>`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use resource::{Difference, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::limits::MAX_MANIFEST;
use crate::{Annotations, Layout, Manifest, Reference, SCHEME, media};

/// The index's file name.
pub const INDEX: &str = "catalogue.json";

/// The format of the index.
const SCHEMA_VERSION: u32 = 1;

/// The last component but one of a repository whose images a catalogue stands in for.
const PLUGINS: &str = "plugins";

/// The index of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    /// The version of the catalogue.
    pub version: String,
    /// Where the images are published, `ghcr.io/example/plugins` for example; the repositories in it are named like the
    /// plug-ins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The plug-ins, by name.
    pub plugins: Vec<Entry>,
}

/// A plug-in in a catalogue: what a marketplace shows of it, and what a resource for it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest of the image's manifest.
    pub digest: String,
    /// The title by language: `en`, `zh-CN`.
    pub titles: BTreeMap<String, String>,
    /// The description by language.
    pub descriptions: BTreeMap<String, String>,
    /// The category in a marketplace.
    pub category: String,
    /// The phase, as a `WasmPlugin` resource names it.
    pub phase: String,
    /// The priority within the phase.
    pub priority: i32,
    /// What happens when the module fails, as a `WasmPlugin` resource names it.
    pub fail_strategy: String,
    /// True if it holds headers back until it has seen the body.
    #[serde(default)]
    pub holds_headers: bool,
    /// True if it does so where its configuration asks for it.
    #[serde(default)]
    pub may_hold_headers: bool,
    /// True if it reports the rules that a request has matched.
    #[serde(default)]
    pub reports_matches: bool,
    /// A configuration that the plug-in accepts.
    pub example: Map<String, Value>,
    /// Differences from the plug-in of the same name in Higress, for operators who migrate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

impl Entry {
    /// The title in English.
    #[must_use]
    pub fn title(&self) -> &str {
        self.titles.get("en").map_or(&self.name, String::as_str)
    }

    /// The description in English.
    #[must_use]
    pub fn description(&self) -> &str {
        self.descriptions.get("en").map_or("", String::as_str)
    }

    /// The description of the plug-in, as its `plugin.yaml` has it. It has no budget.
    ///
    /// # Errors
    ///
    /// The category, the phase or the fail strategy is not a known one.
    pub fn manifest(&self) -> Result<resource::Manifest, serde_json::Error> {
        let others = |texts: &BTreeMap<String, String>| {
            let mut texts = texts.clone();
            texts.remove("en");
            texts
        };
        let phase: Stage = serde_json::from_value(json!(self.phase))?;
        serde_json::from_value(json!({
            "name": self.name,
            "title": self.title(),
            "titleI18n": others(&self.titles),
            "description": self.description(),
            "descriptionI18n": others(&self.descriptions),
            "category": self.category,
            "version": self.version,
            "stage": phase.name(),
            "priority": self.priority,
            "failStrategy": self.fail_strategy,
            "holdsHeaders": self.holds_headers,
            "mayHoldHeaders": self.may_hold_headers,
            "reportsMatches": self.reports_matches,
            "example": self.example,
            "differences": self.differences,
        }))
    }

    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// Why a catalogue cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The folder has no index.
    Missing(PathBuf),
    /// A file cannot be read or written.
    File(PathBuf, std::io::Error),
    /// The index is not valid.
    Index(String, serde_json::Error),
    /// The index has a format that this version does not read.
    Schema(String, u32),
    /// The index has a name or a version that is not valid.
    Name(String),
    /// An image is not the one that the index names.
    Digest {
        /// The plug-in.
        name: String,
        /// The digest in the index.
        expected: String,
        /// The digest of the image.
        found: String,
    },
    /// The artifact is not a catalogue.
    Artifact(String),
    /// A layout cannot be read or written.
    Layout(anyhow::Error),
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(folder) => {
                let folder = folder.display();
                write!(f, "{folder} is not a catalogue: it has no {INDEX}")
            }
            Self::File(file, _) => write!(f, "cannot access {}", file.display()),
            Self::Index(what, _) => write!(f, "{what} is not a valid catalogue"),
            Self::Schema(what, version) => {
                write!(
                    f,
                    "{what} has the format {version}, and this version reads {SCHEMA_VERSION}: update it"
                )
            }
            Self::Name(name) => write!(f, "`{name}` is not a valid name and version of a plug-in"),
            Self::Digest { name, expected, found } => {
                write!(
                    f,
                    "the image of {name} is {found}, and {INDEX} names {expected}: make the catalogue again"
                )
            }
            Self::Artifact(kind) => write!(f, "the artifact is not a catalogue: its type is {kind}"),
            Self::Layout(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CatalogueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Index(_, error) => Some(error),
            Self::Layout(error) => error.source(),
            _ => None,
        }
    }
}

impl From<anyhow::Error> for CatalogueError {
    fn from(error: anyhow::Error) -> Self {
        Self::Layout(error)
    }
}

impl Index {
    /// An index of plug-ins.
    #[must_use]
    pub fn new(version: &str, registry: Option<&str>, mut plugins: Vec<Entry>) -> Self {
        plugins.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.version.cmp(&b.version)));
        let registry = registry.map(|registry| registry.trim_start_matches(SCHEME).to_owned());
        Self { schema_version: SCHEMA_VERSION, version: version.to_owned(), registry, plugins }
    }

    fn parse(bytes: &[u8], what: &str) -> Result<Self, CatalogueError> {
        let index: Self =
            serde_json::from_slice(bytes).map_err(|error| CatalogueError::Index(what.to_owned(), error))?;
        if index.schema_version != SCHEMA_VERSION {
            return Err(CatalogueError::Schema(what.to_owned(), index.schema_version));
        }
        // Names become paths.
        let is_plain = |text: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
            !text.is_empty() && !text.starts_with('.') && text.chars().all(allowed)
        };
        let invalid = |entry: &&Entry| !is_plain(&entry.name) || !is_plain(&entry.version);
        match index.plugins.iter().find(invalid) {
            Some(entry) => Err(CatalogueError::Name(entry.folder())),
            None => Ok(index),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, CatalogueError> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|error| CatalogueError::Index(INDEX.into(), error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The index as an artifact in a layout, ready to be pushed to `…/catalogue:<version>`.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn to_artifact(&self, annotations: Annotations) -> Result<Layout, CatalogueError> {
        let mut layout = Layout::default();
        let layer = layout.add_blob(media::CATALOGUE, self.bytes()?);
        let standard = |name: &str| format!("org.opencontainers.image.{name}");
        let mut annotations = annotations;
        annotations.insert(standard("title"), "catalogue".into());
        annotations.insert(standard("version"), self.version.clone());
        let manifest = Manifest {
            schema_version: 2,
            media_type: media::MANIFEST.into(),
            artifact_type: Some(media::CATALOGUE.into()),
            config: layout.add_blob(media::EMPTY, b"{}".to_vec()),
            layers: vec![layer],
            subject: None,
            annotations,
        };
        layout.add_manifest(&manifest, Some(&self.version))?;
        Ok(layout)
    }

    /// Reads the index from its artifact.
    ///
    /// # Errors
    ///
    /// The layout has another artifact, or a blob is damaged.
    pub fn from_artifact(layout: &Layout) -> Result<Self, CatalogueError> {
        let (_, manifest) = layout.image()?;
        let layer = manifest.layers.first().filter(|_| manifest.is_catalogue());
        let layer = layer.ok_or_else(|| {
            CatalogueError::Artifact(manifest.artifact_type.clone().unwrap_or_else(|| "an image".into()))
        })?;
        Self::parse(layout.blob(layer)?, "the artifact")
    }
}

impl Manifest {
    /// Returns true for a published catalogue.
    #[must_use]
    pub fn is_catalogue(&self) -> bool {
        self.artifact_type.as_deref() == Some(media::CATALOGUE)
    }
}

/// A catalogue in a folder.
#[derive(Debug, Clone)]
pub struct Catalogue {
    folder: PathBuf,
    index: Index,
}

impl Catalogue {
    /// Reads the index in a folder. Layouts are read when they are needed.
    ///
    /// # Errors
    ///
    /// There is none, or it is not valid.
    pub fn open(folder: &Path) -> Result<Self, CatalogueError> {
        let file = folder.join(INDEX);
        if !file.is_file() {
            return Err(CatalogueError::Missing(folder.to_owned()));
        }
        let read = || {
            let length = fs::metadata(&file)?.len();
            if length > MAX_MANIFEST {
                return Err(std::io::Error::other(format!("more than {MAX_MANIFEST} bytes")));
            }
            fs::read(&file)
        };
        let bytes = read().map_err(|error| CatalogueError::File(file.clone(), error))?;
        let index = Index::parse(&bytes, &file.display().to_string())?;
        Ok(Self { folder: folder.to_owned(), index })
    }

    /// Writes a catalogue, in place of one that the folder may hold. The index is written last, so that a folder with an
    /// index is complete.
    ///
    /// # Errors
    ///
    /// A layout does not have the digest that the index names, or a file cannot be written.
    pub fn write(folder: &Path, index: Index, layouts: &[Layout]) -> Result<Self, CatalogueError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |error| CatalogueError::File(path, error)
        };
        if folder.join(INDEX).is_file() {
            fs::remove_dir_all(folder).map_err(file(folder))?;
        }
        fs::create_dir_all(folder).map_err(file(folder))?;
        for (entry, layout) in index.plugins.iter().zip(layouts) {
            entry.check(layout)?;
            layout.write_folder(&folder.join(entry.folder()))?;
        }
        let path = folder.join(INDEX);
        fs::write(&path, index.bytes()?).map_err(file(&path))?;
        Ok(Self { folder: folder.to_owned(), index })
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The plug-in of this name and version; without a version, the last one listed.
    #[must_use]
    pub fn find(&self, name: &str, version: Option<&str>) -> Option<&Entry> {
        let fits =
            |entry: &&Entry| entry.name == name && version.is_none_or(|version| entry.version == version);
        self.index.plugins.iter().rfind(fits)
    }

    /// The plug-in that an image's name stands for: `<any registry>/plugins/<name>:<version>`, the repository of the index,
    /// or the digest of an entry. A name with a digest stands for the entry with this digest only.
    #[must_use]
    pub fn resolve(&self, reference: &Reference) -> Option<&Entry> {
        let whole = format!("{}/{}", reference.host(), reference.repository());
        let (registry, name) = whole.rsplit_once('/')?;
        let own = self.index.registry.as_deref() == Some(registry);
        if !own && registry.rsplit('/').next() != Some(PLUGINS) {
            return None;
        }
        // A name with neither stands for whatever is the latest in its registry.
        if reference.tag().is_none() && reference.digest().is_none() {
            return None;
        }
        self.index.plugins.iter().find(|entry| {
            entry.name == name
                && reference.tag().is_none_or(|tag| tag == entry.version)
                && reference.digest().is_none_or(|digest| digest == entry.digest)
        })
    }

    /// The image of an entry, compared with its digest.
    ///
    /// # Errors
    ///
    /// The layout cannot be read, or has been changed.
    pub fn layout(&self, entry: &Entry) -> Result<Layout, CatalogueError> {
        let layout = Layout::read(&self.folder.join(entry.folder()))?;
        entry.check(&layout)?;
        Ok(layout)
    }

    /// The name of an entry's image in the registry of the index.
    #[must_use]
    pub fn reference(&self, entry: &Entry) -> String {
        // Any registry will do for what is resolved here.
        let registry = self.index.registry.as_deref().unwrap_or("registry.example.com/plugins");
        format!("{SCHEME}{registry}/{}:{}", entry.name, entry.version)
    }
}

impl Entry {
    fn check(&self, layout: &Layout) -> Result<(), CatalogueError> {
        let (image, _) = layout.image()?;
        match image.digest == self.digest {
            true => Ok(()),
            false => Err(CatalogueError::Digest {
                name: self.name.clone(),
                expected: self.digest.clone(),
                found: image.digest.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, Shape};

    fn layout(version: &str) -> Layout {
        let mut layout = Layout::default();
        let image = Image {
            module: format!("\0asm{version}").into_bytes(),
            spec: Vec::new(),
            documents: Vec::new(),
            icon: None,
            licenses: None,
            annotations: Annotations::new(),
        };
        image.add_to(&mut layout, Shape::Higress, version).unwrap();
        layout
    }

    fn entry(name: &str, version: &str, layout: &Layout) -> Entry {
        Entry {
            name: name.into(),
            version: version.into(),
            digest: layout.image().unwrap().0.digest.clone(),
            titles: BTreeMap::from([("en".into(), "Demo".into()), ("zh-CN".into(), "演示".into())]),
            descriptions: BTreeMap::new(),
            category: "security".into(),
            phase: "AUTHN".into(),
            priority: 10,
            fail_strategy: "FAIL_OPEN".into(),
            holds_headers: false,
            may_hold_headers: false,
            reports_matches: false,
            example: Map::new(),
            differences: Vec::new(),
        }
    }

    /// Two versions of one plug-in.
    fn catalogue(folder: &Path, registry: Option<&str>) -> Catalogue {
        let layouts = [layout("1.0.0"), layout("1.1.0")];
        let entries = [entry("demo", "1.0.0", &layouts[0]), entry("demo", "1.1.0", &layouts[1])];
        Catalogue::write(folder, Index::new("7", registry, entries.into()), &layouts).unwrap()
    }

    #[test]
    fn a_catalogue_is_read_back_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let written = catalogue(folder.path(), None);
            let read = Catalogue::open(folder.path()).unwrap();
            assert_eq!(read.index(), written.index());
            let entry = read.find("demo", None).unwrap();
            assert_eq!((entry.version.as_str(), entry.title()), ("1.1.0", "Demo"));
            assert_eq!(read.layout(entry).unwrap().image().unwrap().0.digest, entry.digest);
        }
        let artifact = catalogue(folder.path(), None).index().to_artifact(Annotations::new()).unwrap();
        assert_eq!(Index::from_artifact(&artifact).unwrap(), *catalogue(folder.path(), None).index());
        assert!(Index::from_artifact(&layout("1")).unwrap_err().to_string().contains("not a catalogue"));
    }

    #[test]
    fn names_of_images_are_resolved() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue(folder.path(), Some("oci://ghcr.io/me/gateway"));
        let digest = &catalogue.find("demo", Some("1.0.0")).unwrap().digest.clone();
        let other = format!("sha256:{}", "0".repeat(64));
        for (name, version) in [
            ("oci://any.example.com/plugins/demo:1.0.0".to_owned(), Some("1.0.0")),
            ("oci://any.example.com/a/plugins/demo:1.1.0".to_owned(), Some("1.1.0")),
            ("oci://ghcr.io/me/gateway/demo:1.1.0".to_owned(), Some("1.1.0")),
            (format!("oci://any.example.com/plugins/demo:1.0.0@{digest}"), Some("1.0.0")),
            (format!("oci://any.example.com/plugins/demo@{digest}"), Some("1.0.0")),
            (format!("oci://any.example.com/plugins/demo:1.1.0@{digest}"), None),
            (format!("oci://any.example.com/plugins/demo@{other}"), None),
            ("oci://any.example.com/plugins/demo".to_owned(), None),
            ("oci://any.example.com/plugins/demo:2.0.0".to_owned(), None),
            ("oci://any.example.com/plugins/another:1.0.0".to_owned(), None),
            ("oci://any.example.com/mine/demo:1.0.0".to_owned(), None),
            ("oci://any.example.com/demo:1.0.0".to_owned(), None),
        ] {
            let entry = catalogue.resolve(&Reference::parse(&name).unwrap());
            assert_eq!(entry.map(|entry| entry.version.as_str()), version, "{name}");
        }
        assert_eq!(
            catalogue.reference(catalogue.find("demo", None).unwrap()),
            "oci://ghcr.io/me/gateway/demo:1.1.0"
        );
    }

    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Catalogue::open(folder.path()), Err(CatalogueError::Missing(_))));
        let good = catalogue(folder.path(), None);
        let entry = good.find("demo", Some("1.0.0")).unwrap();
        layout("1.1.0").write_folder(&folder.path().join("demo-1.0.0")).unwrap();
        assert!(matches!(good.layout(entry), Err(CatalogueError::Digest { .. })));
        for (text, expected) in [
            ("{}", "not a valid catalogue"),
            (r#"{"schemaVersion":2,"version":"","plugins":[]}"#, "has the format 2"),
        ] {
            fs::write(folder.path().join(INDEX), text).unwrap();
            let error = Catalogue::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let outside = Index::new("1", None, vec![Entry { name: "../x".into(), ..entry.clone() }]);
        fs::write(folder.path().join(INDEX), outside.bytes().unwrap()).unwrap();
        assert!(matches!(Catalogue::open(folder.path()), Err(CatalogueError::Name(_))));
    }
}
