//! Releases of plug-ins, of the SDK and of the tool: one version in Cargo.toml, plugin.yaml, CHANGELOG.md and a tag.

pub(crate) mod changelog;
mod edit;
mod subject;
mod tag;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use workspace::Workspace;
use workspace::git::{changed, git, listed};

use crate::Usage;

pub(crate) use subject::Subject;
pub(crate) use tag::Tag;

/// The file with changes for users.
pub(crate) const CHANGELOG: &str = "CHANGELOG.md";

/// A validated release.
pub(crate) struct Release<'w> {
    workspace: &'w Workspace,
    pub(crate) tag: Tag,
    /// Paths of changed files from the root, with their new contents.
    files: Vec<(PathBuf, String)>,
}

/// Original files, which are restored unless the changes are kept.
struct Saved {
    files: Vec<(PathBuf, Vec<u8>)>,
    keep: bool,
}

impl Drop for Saved {
    fn drop(&mut self) {
        if !self.keep {
            for (file, bytes) in &self.files {
                if let Err(error) = fs::write(file, bytes) {
                    crate::output::warning(format_args!(
                        "{} could not be restored ({error}): run `git checkout {0}`",
                        file.display()
                    ));
                }
            }
        }
    }
}

impl<'w> Release<'w> {
    /// Validates a release without changing anything. `date` is the date of the release.
    pub(crate) fn plan(
        workspace: &'w Workspace,
        subject: Subject<'w>,
        version: &str,
        date: &str,
    ) -> Result<Self> {
        let root = &workspace.root;
        let name = subject.name();
        let tag = Tag { name: name.to_owned(), version: check_version(version)? };
        let old = subject.version(workspace)?;
        let changed = changed(root)?;
        if !changed.is_empty() {
            bail!(
                "uncommitted changes: {}: commit or stash them first, a release \
                 is nothing else",
                listed(&changed)
            );
        }
        let exists = |tag: &str| anyhow::Ok(!git(root, &["tag", "--list", tag])?.is_empty());
        if exists(&tag.to_string())? {
            bail!("tag {tag} already exists: release a larger version");
        }
        if let Some(first) = subject.released_before(&tag.version)
            && !exists(&first)?
        {
            bail!(
                "tag {first} does not exist, and workspaces created by this version depend on it: run `cargo xtask release \
                 sdk {}` first",
                tag.version
            );
        }
        let changelog = read(root, Path::new(CHANGELOG))?;
        // The initial version of a new plug-in may be its first release.
        let current: Version = old.parse().context("cargo has read it")?;
        let is_released =
            changelog::section(&changelog, name, &old).is_some() || exists(&format!("{name}/v{current}"))?;
        if tag.version < current || (tag.version == current && is_released) {
            bail!(Usage(format!(
                "{name} has version {current}, and {} is not larger: write a larger version",
                tag.version
            )));
        }
        let new = tag.version.to_string();
        let mut files = subject.files(root, &old, &new)?;
        files.push((
            CHANGELOG.into(),
            changelog::release(&changelog, name, &new, date).with_context(|| CHANGELOG)?,
        ));
        Ok(Self { workspace, tag, files })
    }

    /// Returns the changes as a git diff, and restores the files.
    pub(crate) fn preview(&self) -> Result<String> {
        let _restored = self.write()?;
        Ok(git(&self.workspace.root, &["--no-pager", "diff", "--no-color"])?)
    }

    /// Writes the files, commits and tags. Restores everything on errors.
    pub(crate) fn make(&self) -> Result<()> {
        let root = &self.workspace.root;
        let before = git(root, &["rev-parse", "HEAD"])?;
        let mut saved = self.write()?;
        let message = format!("{} {}", self.tag.name, self.tag.version);
        let tag = self.tag.to_string();
        let made = git(root, &["commit", "--quiet", "--all", "--message", &message])
            .and_then(|_| git(root, &["tag", "--annotate", &tag, "--message", &message]));
        if let Err(error) = made {
            // The tree was clean, so all changes belong to this release.
            git(root, &["reset", "--quiet", &before])?;
            return Err(error.into());
        }
        saved.keep = true;
        Ok(())
    }

    /// Writes the files, updates the lock file with cargo, and reads everything again.
    fn write(&self) -> Result<Saved> {
        let root = &self.workspace.root;
        let lock = PathBuf::from("Cargo.lock");
        let names = self.files.iter().map(|(name, _)| name).chain([&lock]);
        let files = names
            .map(|name| {
                let file = root.join(name);
                let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
                Ok((file, bytes))
            })
            .collect::<Result<_>>()?;
        let saved = Saved { files, keep: false };
        for (name, text) in &self.files {
            fs::write(root.join(name), text).with_context(|| format!("writing {}", name.display()))?;
        }
        let mut cargo = workspace::build::cargo();
        cargo.current_dir(root).args(["update", "--workspace", "--offline", "--quiet"]);
        if !cargo.status().context("cargo cannot be started")?.success() {
            bail!("cargo could not update Cargo.lock: see above");
        }
        self.tag.check(&Workspace::at(root, crate::output::notice)?)?;
        Ok(saved)
    }
}

/// Parses a version that can be a tag of git and of an image.
fn check_version(text: &str) -> Result<Version> {
    match text.strip_prefix('v').unwrap_or(text).parse::<Version>() {
        Ok(version) if version.build.is_empty() => Ok(version),
        _ => bail!(Usage(format!(
            "`{text}` is not a valid version: write three numbers, as in 1.2.3 or 1.2.3-rc.1"
        ))),
    }
}

fn read(root: &Path, name: &Path) -> Result<String> {
    fs::read_to_string(root.join(name)).with_context(|| format!("reading {}", name.display()))
}

fn at(name: &Path) -> String {
    name.display().to_string()
}
