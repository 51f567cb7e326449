//! A folder of resources that deploy plug-ins: the plug-ins of a gateway, as files that a cluster accepts too.
//!
//! ```
//! use gateway::folder::{self, StageOrder};
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(
//!     folder.path().join("hello.yaml"),
//!     "
//! apiVersion: extensions.higress.io/v1alpha1
//! kind: WasmPlugin
//! metadata: { name: hello }
//! spec: { url: 'workspace:say-hello', phase: AUTHN, defaultConfig: {} }
//! ",
//! )?;
//! let folder = folder::read(folder.path(), StageOrder::Mse);
//! assert!(folder.faults.is_empty());
//! assert_eq!(folder.plugins[0].name, "hello");
//! assert!(folder.plugins[0].enabled);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod edit;
mod files;
mod order;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use resource::{Stage, WasmPlugin, yaml};
use serde::{Deserialize, Serialize};

pub use order::StageOrder;

/// The file of the folder with the routes, which is not a `WasmPlugin`.
pub const ROUTES: &str = "routes.yaml";

/// The file with the `scenarios` that `bench` measures, which are not a `WasmPlugin` either.
pub const BENCH: &str = "bench.yaml";

/// The content of a folder.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// Every plug-in that could be read, enabled or not, in the order of requests.
    pub plugins: Vec<Entry>,
    /// Resources of other kinds, which this gateway ignores.
    pub others: Vec<Other>,
    /// Errors in the files; a folder with any must not be served.
    pub faults: Vec<Fault>,
}

/// One plug-in of a folder.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its file.
    pub file: PathBuf,
    /// The index of its document in the file.
    pub index: usize,
    /// Its index in the document, if that is a list of resources.
    pub item: Option<usize>,
    /// Its path in the document: empty for the whole document, `items[2]` in a list.
    pub place: String,
    /// Whether it is a separate resource, so that commands can change all its fields: not in a nested list, and not one of
    /// several plug-ins of a policy.
    pub alone: bool,
    /// Its first line.
    pub line: usize,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`; empty if absent.
    pub namespace: String,
    /// Whether a cluster would run it.
    pub enabled: bool,
    /// Its stage.
    pub stage: Stage,
    /// Its priority in the stage: larger ones run first.
    pub priority: i32,
    /// The display name.
    pub title: Option<String>,
    /// A description of one sentence.
    pub description: Option<String>,
    /// Its programming language.
    pub language: Option<String>,
    /// The corresponding plug-in of this workspace: named by its `url`, or by an annotation if the `url` is for
    /// clusters.
    pub source: Option<String>,
    /// The resource.
    pub resource: WasmPlugin,
}

/// A resource that is not a plug-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its file.
    pub file: PathBuf,
    /// Its first line.
    pub line: usize,
    /// Its kind, such as `Ingress`.
    pub kind: String,
}

/// An error in a file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The position and the error.
    pub fault: yaml::Fault,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.fault)
    }
}

impl std::error::Error for Fault {}

/// Reads a folder: every `.yaml`, `.yml` and `.json` file in it except [`ROUTES`], hidden files, and scenarios in [`BENCH`].
#[must_use]
pub fn read(folder: &Path, order: StageOrder) -> Folder {
    files::read(folder, order)
}

/// Rejects a path that is not a folder of plug-ins: one that does not exist, a file, or a folder of such folders. An empty folder is accepted.
///
/// # Errors
///
/// The path, and likely alternatives.
pub fn check(folder: &Path) -> Result<(), FolderError> {
    match fs::metadata(folder) {
        Err(error) => return Err(FolderError::Unreadable(folder.into(), error)),
        Ok(metadata) if !metadata.is_dir() => return Err(FolderError::File(folder.into())),
        Ok(_) => {}
    }
    let own = read(folder, StageOrder::Mse);
    if !(own.plugins.is_empty() && own.faults.is_empty()) || folder.join(ROUTES).exists() {
        return Ok(());
    }
    match files::below(folder) {
        below if below.is_empty() => Ok(()),
        below => Err(FolderError::Above(folder.into(), below)),
    }
}

/// A path is not a folder of plug-ins.
#[derive(Debug)]
pub enum FolderError {
    /// It does not exist, or cannot be read.
    Unreadable(PathBuf, io::Error),
    /// It is a file.
    File(PathBuf),
    /// It has no plug-ins, but these folders in it have some.
    Above(PathBuf, Vec<PathBuf>),
}

/// The maximum number of folders that an error suggests.
const MAX_SUGGESTIONS: usize = 5;

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(folder, error) => {
                write!(f, "cannot read {}: {error}; name a folder of WasmPlugin resources", folder.display())
            }
            Self::File(file) => {
                write!(f, "{} is a file: name the folder that it is in", file.display())
            }
            Self::Above(folder, below) => {
                let names: Vec<String> =
                    below.iter().take(MAX_SUGGESTIONS).map(|folder| folder.display().to_string()).collect();
                let list = match names.split_last() {
                    Some((last, [])) => last.clone(),
                    Some((last, others)) => format!("{} or {last}", others.join(", ")),
                    None => String::new(),
                };
                write!(f, "no plug-in resource in {}: did you mean {list}?", folder.display())
            }
        }
    }
}

impl std::error::Error for FolderError {}

impl Entry {
    /// Converts a path in its resource to a path in its document.
    #[must_use]
    pub fn path(&self, inner: &str) -> String {
        let dot = if self.place.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        format!("{}{dot}{inner}", self.place)
    }
}

impl Folder {
    /// The enabled plug-ins in the order of requests, which is reversed for responses.
    pub fn enabled(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.plugins.iter().filter(|entry| entry.enabled)
    }

    /// Returns the folder if it has no errors.
    ///
    /// # Errors
    ///
    /// The errors.
    pub fn sound(self) -> Result<Self, Vec<Fault>> {
        if self.faults.is_empty() { Ok(self) } else { Err(self.faults) }
    }
}
