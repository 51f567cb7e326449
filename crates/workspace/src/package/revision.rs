//! The commit that a plug-in is built from.

use std::path::Path;

use crate::git::{changed, git};
use crate::{Error, Result};

/// A commit, by which an image can be reproduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its hash.
    pub commit: String,
    /// The time of the commit: `2026-01-31T12:00:00Z`.
    pub time: String,
}

/// The state of an image's source files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Those of a commit.
    Clean(Revision),
    /// Uncommitted changes in these files: the image cannot be reproduced from a commit.
    Changed(Vec<String>),
    /// Not under version control here.
    Unknown,
}

impl Tree {
    /// The state of a workspace.
    ///
    /// # Errors
    ///
    /// git is missing, or fails.
    pub fn of(root: &Path) -> Result<Self> {
        if !root.join(".git").exists() {
            return Ok(Self::Unknown);
        }
        let files = changed(root)?;
        if !files.is_empty() {
            return Ok(Self::Changed(files));
        }
        let shown = git(root, &["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%H %cd"])?;
        let (commit, time) = shown.split_once(' ').ok_or_else(|| Error::Failed {
            command: "git log".into(),
            output: "it names no commit".into(),
        })?;
        Ok(Self::Clean(Revision { commit: commit.to_owned(), time: time.to_owned() }))
    }
}
