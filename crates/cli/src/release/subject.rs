//! What is released: a plug-in, or a part of this repository that others depend on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use resource::MANIFEST;
use workspace::{Plugin, Workspace};

use super::{at, edit, read};
use crate::Usage;

/// The packages that exist only in this repository, by the name of their release.
const PARTS: [(&str, &str); 2] = [("sdk", "portcullis-sdk"), ("cli", "portcullis-cli")];

/// Something that has releases of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'w> {
    /// A plug-in.
    Plugin(&'w Plugin),
    /// `sdk`: the crates that a plug-in is made of and tested with. `cli`: the program. They share the workspace's version,
    /// so that the program of a version makes workspaces that depend on the SDK of that version.
    Part(&'static str),
}

impl<'w> Subject<'w> {
    /// Finds what a name of a release stands for.
    ///
    /// # Errors
    ///
    /// There is no such plug-in, or it is never released.
    pub(crate) fn find(workspace: &'w Workspace, name: &str) -> Result<Self> {
        let is_here = |package: &str| workspace.packages.iter().any(|other| other == package);
        if let Some((part, _)) = PARTS.iter().find(|(part, package)| *part == name && is_here(package)) {
            return Ok(Self::Part(part));
        }
        let plugin = workspace.plugin(name)?;
        if workspace.fixtures.iter().any(|fixture| fixture.name == plugin.name) {
            bail!(Usage(format!("{} exists to test the tests, and is not released", plugin.name)));
        }
        Ok(Self::Plugin(plugin))
    }

    /// The name in tags and in CHANGELOG.md.
    pub(crate) fn name(&self) -> &'w str {
        match self {
            Self::Plugin(plugin) => &plugin.name,
            Self::Part(name) => name,
        }
    }

    /// The present version, the same in every file.
    pub(super) fn version(&self, workspace: &Workspace) -> Result<String> {
        match self {
            Self::Plugin(plugin) => {
                plugin.manifest()?;
                Ok(plugin.version.clone())
            }
            Self::Part(_) => {
                let text = read(&workspace.root, Path::new("Cargo.toml"))?;
                let mut lines = text.lines().skip_while(|line| line.trim() != "[workspace.package]").skip(1);
                let version = lines
                    .by_ref()
                    .take_while(|line| !line.starts_with('['))
                    .find_map(|line| line.strip_prefix("version")?.trim_start().strip_prefix('='));
                let version = version.and_then(|version| version.split('"').nth(1));
                version
                    .map(str::to_owned)
                    .context("Cargo.toml: write `version = \"…\"` under [workspace.package]")
            }
        }
    }

    /// The file that a message about the version names.
    pub(super) fn cargo_file(&self) -> PathBuf {
        match self {
            Self::Plugin(plugin) => plugin.shown.join("Cargo.toml"),
            Self::Part(_) => "Cargo.toml".into(),
        }
    }

    /// The tag that has to exist before this version is released.
    pub(super) fn released_before(&self, version: &Version) -> Option<String> {
        matches!(self, Self::Part("cli")).then(|| format!("sdk/v{version}"))
    }

    /// The files that name the version, with the new one, by their path from the root.
    pub(super) fn files(&self, root: &Path, old: &str, new: &str) -> Result<Vec<(PathBuf, String)>> {
        let cargo = self.cargo_file();
        let text = read(root, &cargo)?;
        match self {
            Self::Plugin(plugin) => {
                let manifest = plugin.shown.join(MANIFEST);
                let manifest_text = read(root, &manifest)?;
                let cargo_text =
                    edit::cargo_version(&text, "[package]", old, new).with_context(|| at(&cargo))?;
                let manifest_text =
                    edit::manifest_version(&manifest_text, old, new).with_context(|| at(&manifest))?;
                Ok(vec![(cargo, cargo_text), (manifest, manifest_text)])
            }
            Self::Part(_) => {
                let text = edit::cargo_version(&text, "[workspace.package]", old, new)
                    .with_context(|| at(&cargo))?;
                Ok(vec![(cargo, edit::requirements(&text, old, new))])
            }
        }
    }
}
