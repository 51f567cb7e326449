//! The tag of a release, `request-block/v1.2.3`, compared with the files.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use workspace::Workspace;

use super::{CHANGELOG, Subject, changelog, check_version};
use crate::Usage;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The plug-in, `sdk` or `cli`.
    pub(crate) name: String,
    pub(crate) version: Version,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/v{}", self.name, self.version)
    }
}

impl Tag {
    /// Parses `request-block/v1.2.3`, or the full reference of git.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let short = text.strip_prefix("refs/tags/").unwrap_or(text);
        let Some((name, version)) = short.split_once("/v") else {
            bail!(Usage(format!(
                "`{text}` is not the tag of a release: write <plug-in>/v<version>, as in request-block/v1.2.3"
            )));
        };
        Ok(Self { name: name.to_owned(), version: check_version(version)? })
    }

    /// Returns the entries of CHANGELOG.md for the release, if Cargo.toml and plugin.yaml have its version.
    ///
    /// # Errors
    ///
    /// Names the file that differs.
    pub(crate) fn check(&self, workspace: &Workspace) -> Result<String> {
        let subject = Subject::find(workspace, &self.name).with_context(|| self.to_string())?;
        let version = self.version.to_string();
        let written = subject.version(workspace)?;
        if written != version {
            bail!(
                "{}: has version {written}, but the tag is {self}: write the same in both",
                subject.cargo_file().display()
            );
        }
        let file = workspace.root.join(CHANGELOG);
        let changelog = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        changelog::section(&changelog, &self.name, &version).with_context(|| {
            format!(
                "{CHANGELOG}: has no section `## {} {version} — <date>` with entries: `cargo xtask release` writes it",
                self.name
            )
        })
    }
}
