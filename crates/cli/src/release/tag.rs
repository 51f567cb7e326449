//! The tag of a release, `request-block/v1.2.3`, compared with the files.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use workspace::Workspace;

use super::{CHANGELOG, changelog, check_version};
use crate::Usage;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) plugin: String,
    pub(crate) version: Version,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/v{}", self.plugin, self.version)
    }
}

impl Tag {
    /// Parses `request-block/v1.2.3`, or the full reference of git.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let short = text.strip_prefix("refs/tags/").unwrap_or(text);
        let Some((plugin, version)) = short.split_once("/v") else {
            bail!(Usage(format!(
                "`{text}` is not the tag of a release: write <plug-in>/v<version>, as in request-block/v1.2.3"
            )));
        };
        Ok(Self { plugin: plugin.to_owned(), version: check_version(version)? })
    }

    /// Returns the entries of CHANGELOG.md for the release, if Cargo.toml and plugin.yaml have its version.
    ///
    /// # Errors
    ///
    /// Names the file that differs.
    pub(crate) fn check(&self, workspace: &Workspace) -> Result<String> {
        let plugin = workspace.plugins.iter().find(|plugin| plugin.name == self.plugin);
        let plugin = plugin.ok_or_else(|| Usage(format!("{self}: unknown plug-in `{}`", self.plugin)))?;
        let version = self.version.to_string();
        if plugin.version != version {
            bail!(
                "{}: has version {}, but the tag is {self}: write the same in both",
                plugin.shown.join("Cargo.toml").display(),
                plugin.version
            );
        }
        plugin.manifest()?;
        let file = workspace.root.join(CHANGELOG);
        let changelog = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        changelog::section(&changelog, &self.plugin, &version).with_context(|| {
            format!(
                "{CHANGELOG}: has no section `## {} {version} — <date>` with entries: `cargo xtask release` writes it",
                self.plugin
            )
        })
    }
}
