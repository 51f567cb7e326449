//! Progress and warnings.

use std::fmt;
use std::path::PathBuf;

use crate::git::listed;

/// Receives progress and warnings. Cargo's own messages go to the error output.
pub type Notify = fn(&Notice<'_>);

/// A step that is about to begin, or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The standard library for a target is being installed.
    InstallingTarget(&'a str),
    /// A plug-in's describing program is being built for the first time.
    BuildingDescription(&'a str),
    /// A second build is about to begin, in this folder.
    BuildingElsewhere(PathBuf),
    /// An environment variable that would change modules is ignored.
    IgnoredVariable(String),
    /// An image will not name a commit, because of these files.
    NoCommit(&'a [String]),
}

impl Notice<'_> {
    /// Whether it is a warning, and not progress.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::IgnoredVariable(_) | Self::NoCommit(_))
    }
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstallingTarget(target) => {
                write!(f, "{target} is not installed: running `rustup target add {target}`")
            }
            Self::BuildingDescription(plugin) => {
                write!(f, "building {plugin} for this machine, to read its configuration types")
            }
            Self::BuildingElsewhere(folder) => write!(f, "building a second time, in {}", folder.display()),
            Self::IgnoredVariable(name) => write!(
                f,
                "{name} is set and ignored for modules, which are built with the same flags everywhere"
            ),
            Self::NoCommit(files) => write!(
                f,
                "the image names no commit, because of files that are new or changed: {}",
                listed(files)
            ),
        }
    }
}
