//! Checks, pushes and compares an image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci::registry::Error;
use oci::{Layout, Reader, Reference};
use serde::Serialize;
use workspace::git::{Tree, listed};
use workspace::package::DIRTY;

use super::Args;
use crate::Usage;
use crate::commands::package;
use crate::image::{Consumer, verdicts};
use crate::output::{self, warning};
use crate::registry;

/// The result, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pushed<'a> {
    image: &'a str,
    digest: &'a str,
    /// The image with its digest, as a deployment names it.
    pinned: &'a str,
    /// Digests of the artifacts attached to it.
    attached: &'a [String],
    /// Whether the registry had the image under that tag before.
    was_there: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let destination = Reference::parse(&args.image).map_err(Usage::from)?;
    if destination.digest().is_some() {
        bail!(Usage(Error::NoTag(destination).to_string()));
    }
    let Some(file) = layout_file(args)? else { return Ok(false) };
    let layout = Layout::read(&file)?;
    let top = layout.top()?;
    let manifest = Reader::Any.image(&layout, top)?.manifest;
    let verdicts = verdicts(&layout, top, false);
    // What `docker load` accepts need not have a module at all.
    if !manifest.is_catalogue()
        && !verdicts.iter().any(|verdict| verdict.takes && verdict.consumer != Consumer::Docker)
    {
        let reasons = verdicts.first().into_iter().flat_map(|verdict| &verdict.rules).filter(|rule| !rule.ok);
        let reasons: Vec<String> = reasons.map(|rule| format!("{}: {}", rule.rule, rule.detail)).collect();
        bail!(
            "{} is accepted by no gateway: {}; `cargo xtask verify {0}` has the details",
            file.display(),
            reasons.join("; ")
        );
    }
    if !args.allow_dirty && manifest.annotations.contains_key(DIRTY) {
        bail!(dirty(""));
    }
    let annotation = |name: &str| manifest.annotations.get(&format!("org.opencontainers.image.{name}"));
    let version = annotation("version").map(String::as_str);
    let tag = destination.tag().or(version).or(top.annotations.get(oci::REF_NAME).map(String::as_str));
    let Some(tag) = tag else {
        bail!(Usage(format!("{} has no version: write a tag, as in {destination}:1.0.0", file.display())));
    };
    let reference = destination.with_tag(tag).map_err(Usage::from)?;
    if let Some(version) = version
        && looks_like_version(tag)
        && tag.trim_start_matches('v') != version
    {
        warning(format_args!("the tag is {tag}, and the version of the image is {version}"));
    }
    if let Some(title) = annotation("title")
        && title != destination.name()
    {
        warning(format_args!("the repository is `{}`, and the image is of `{title}`", destination.name()));
    }
    send(args, &file, &layout, &reference)?;
    Ok(true)
}

/// The layout to push; none if the plug-in does not pass its checks, which has been printed.
fn layout_file(args: &Args) -> Result<Option<PathBuf>> {
    let path = Path::new(&args.what);
    // A folder may have the name of a plug-in.
    if path.is_file() || path.join("oci-layout").exists() {
        return Ok(Some(path.to_owned()));
    }
    let workspace = crate::open::workspace();
    if !path.exists() && (workspace.is_err() || path.components().count() > 1) {
        bail!(Usage(format!(
            "{} does not exist: name a layout's folder or archive, as `cargo xtask package` writes them",
            args.what
        )));
    }
    let workspace = workspace?;
    let plugin = workspace.plugin(&args.what)?;
    if !args.allow_dirty
        && let Tree::Changed(files) = Tree::of(&workspace.root)?
    {
        bail!(dirty(&format!(": {}", listed(&files))));
    }
    package::for_push(&workspace, &plugin.name, args.gateway)
}

/// Pushes the layout, and prints where it is.
fn send(args: &Args, file: &Path, layout: &Layout, reference: &Reference) -> Result<()> {
    let pushed =
        oci::registry::push(layout, reference, args.overwrite, args.access.library(), &registry::progress);
    let pushed = pushed.map_err(|error| match error {
        Error::Exists { .. } => {
            anyhow::anyhow!("{error}: push it under another tag, or move the tag with --overwrite")
        }
        Error::Index => anyhow::Error::new(error).context(file.display().to_string()),
        error => registry::explain(error, &args.access),
    })?;
    let digest = digest_file(file)?;
    fs::write(&digest, format!("{}\n", pushed.digest))
        .with_context(|| format!("writing {}", digest.display()))?;
    let pinned = reference.with_digest(&pushed.digest).to_string();
    if args.json {
        let image = reference.to_string();
        let pushed = Pushed {
            image: image.trim_start_matches(oci::SCHEME),
            digest: &pushed.digest,
            pinned: pinned.trim_start_matches(oci::SCHEME),
            attached: &pushed.attached,
            was_there: pushed.existed,
        };
        anstream::println!("{}", serde_json::to_string_pretty(&pushed)?);
    } else {
        output::step(format_args!("pushed {reference}; deploy it by its digest:"));
        anstream::println!("{pinned}");
    }
    Ok(())
}

/// Why an image is not pushed that cannot be built again from a commit.
fn dirty(files: &str) -> Usage {
    Usage(format!(
        "the image is not built from a commit, because of new or changed files{files}: commit them, or push with \
         --allow-dirty"
    ))
}

/// Returns true if a tag names a version, not a channel such as `latest`.
fn looks_like_version(tag: &str) -> bool {
    let numbers = tag.trim_start_matches('v');
    numbers.starts_with(|c: char| c.is_ascii_digit()) && numbers.contains('.')
}

/// The file for a layout's digest: `image.digest` beside `image` and `image.tar`.
fn digest_file(layout: &Path) -> Result<PathBuf> {
    // `.` has a name too.
    let layout = layout.canonicalize().with_context(|| format!("reading {}", layout.display()))?;
    let mut name = layout.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if layout.is_file() {
        name = name.strip_suffix(".tar").map_or(name.clone(), ToOwned::to_owned);
    }
    Ok(layout.with_file_name(name + ".digest"))
}

#[cfg(test)]
mod tests {
    use super::digest_file;

    #[test]
    fn a_digest_is_written_beside_its_layout() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("image-1.0")).unwrap();
        std::fs::write(folder.join("image-1.0.tar"), "").unwrap();
        for layout in ["image-1.0", "image-1.0.tar", "image-1.0/."] {
            assert_eq!(digest_file(&folder.join(layout)).unwrap(), folder.join("image-1.0.digest"));
        }
        assert!(digest_file(&folder.join("none")).is_err());
    }
}
