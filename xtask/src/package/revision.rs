//! The commit that a plug-in is built from.

use std::path::Path;

use anyhow::{Context, Result};

use crate::git::git;
use crate::output;

/// A commit, which is what makes the bytes of an image those of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) commit: String,
    /// When it was committed: `2026-01-31T12:00:00Z`.
    pub(crate) time: String,
}

impl Revision {
    /// The commit that is checked out. None where the files are not those of a commit: what is built from them is
    /// not what anybody else could build.
    pub(crate) fn of(root: &Path) -> Result<Option<Self>> {
        if !root.join(".git").exists() {
            return Ok(None);
        }
        if !git(root, &["status", "--porcelain"])?.is_empty() {
            output::warning("files have been changed since the last commit: the image names no revision");
            return Ok(None);
        }
        let shown = git(root, &["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%H %cd"])?;
        let (commit, time) = shown.split_once(' ').context("git names no commit")?;
        Ok(Some(Self { commit: commit.to_owned(), time: time.to_owned() }))
    }
}
