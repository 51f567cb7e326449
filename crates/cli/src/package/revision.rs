//! The commit that a plug-in is built from.

use std::path::Path;

use anyhow::{Context, Result};

use crate::git::{changed, git};

/// A commit, which is what makes the bytes of an image those of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) commit: String,
    /// When it was committed: `2026-01-31T12:00:00Z`.
    pub(crate) time: String,
}

/// The state of the files that an image is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Those of a commit.
    Clean(Revision),
    /// Not those of a commit, because of these files: nobody else could build the same image.
    Changed(Vec<String>),
    /// Not under version control here.
    Unknown,
}

impl Tree {
    /// The state of a workspace.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        if !root.join(".git").exists() {
            return Ok(Self::Unknown);
        }
        let files = changed(root)?;
        if !files.is_empty() {
            return Ok(Self::Changed(files));
        }
        let shown = git(root, &["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%H %cd"])?;
        let (commit, time) = shown.split_once(' ').context("git names no commit")?;
        Ok(Self::Clean(Revision { commit: commit.to_owned(), time: time.to_owned() }))
    }
}
