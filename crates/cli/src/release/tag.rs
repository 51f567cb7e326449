//! A release's tag, `request-block/v1.2.3`, and whether the files say the same.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use workspace::Workspace;

use super::{CHANGELOG, changelog, check_version};
use crate::Usage;

/// What a tag names.
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
    /// Reads `request-block/v1.2.3`, or git's long form of it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let short = text.strip_prefix("refs/tags/").unwrap_or(text);
        let Some((plugin, version)) = short.split_once("/v") else {
            bail!(Usage(format!(
                "`{text}` is not the tag of a release: write <plug-in>/v<version>, as in request-block/v1.2.3"
            )));
        };
        Ok(Self { plugin: plugin.to_owned(), version: check_version(version)? })
    }

    /// What CHANGELOG.md says about the release, if Cargo.toml and plugin.yaml say the same version.
    ///
    /// # Errors
    ///
    /// The file that says something else.
    pub(crate) fn check(&self, workspace: &Workspace) -> Result<String> {
        let plugin = workspace.plugins.iter().find(|plugin| plugin.name == self.plugin);
        let plugin = plugin.ok_or_else(|| Usage(format!("{self}: there is no plug-in `{}`", self.plugin)))?;
        let version = self.version.to_string();
        if plugin.version != version {
            bail!(
                "{}: is of version {}, and the tag is {self}: write the same in both",
                plugin.shown.join("Cargo.toml").display(),
                plugin.version
            );
        }
        plugin.manifest()?;
        let file = workspace.root.join(CHANGELOG);
        let changelog = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        changelog::section(&changelog, &self.plugin, &version).with_context(|| {
            format!(
                "{CHANGELOG}: has no section `## {} {version} — <date>` that says something: `cargo xtask release` writes it",
                self.plugin
            )
        })
    }
}
