//! `package --catalogue`: the images of all plug-ins in one folder, and the artifact that publishes their index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci::catalogue::{Entry, Index};
use oci::{Annotations, Catalogue, Layout, Shape};
use resource::Manifest;

use workspace::build::Profile;
use workspace::dist::{Flavour, Options};
use workspace::git::Tree;
use workspace::package::{DIRTY, Source};
use workspace::{Plugin, Workspace};

use crate::commands::build;
use crate::rules;

/// A catalogue that was made.
pub(crate) struct Made {
    pub(crate) catalogue: Catalogue,
    /// The archive of the artifact.
    pub(crate) archive: PathBuf,
}

/// Makes a catalogue in `dist/catalogue`, and its artifact in `dist/catalogue.tar`.
pub(crate) fn make(
    workspace: &Workspace,
    version: &str,
    registry: Option<&str>,
    rules: &rules::Choice,
) -> Result<Made> {
    let plugins: Vec<&Plugin> = workspace.plugins.iter().collect();
    let builder = rules.builder(workspace, &plugins)?;
    let options = Options { profile: Profile::Release, flavour: Flavour::Any, copy_to_source: false };
    let (mut entries, mut layouts) = (Vec::new(), Vec::new());
    for plugin in &workspace.plugins {
        let built = build::build(workspace, &builder, plugin, options)?;
        let Some(module) = built.as_ref().and_then(|built| built.files.first()) else {
            bail!("{} does not pass its checks: see above", plugin.name)
        };
        let source = Source::of_plugin(workspace, &builder, plugin, module)?;
        let package = source.package(Shape::Higress, &source.manifest.version)?;
        entries.push(entry(&source.manifest, &package.image.digest));
        layouts.push(package.layout);
    }
    let dist = workspace.root.join("dist");
    let (entries, layouts) = sorted(entries, layouts);
    let catalogue =
        Catalogue::write(&dist.join("catalogue"), Index::new(version, registry, entries), &layouts)?;
    let archive = dist.join("catalogue.tar");
    artifact(workspace, catalogue.index())?
        .write_archive(&archive, None)
        .with_context(|| format!("writing {}", archive.display()))?;
    Ok(Made { catalogue, archive })
}

/// Entries in the order of the index, with their layouts.
fn sorted(entries: Vec<Entry>, layouts: Vec<Layout>) -> (Vec<Entry>, Vec<Layout>) {
    let mut both: Vec<_> = entries.into_iter().zip(layouts).collect();
    both.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    both.into_iter().unzip()
}

fn artifact(workspace: &Workspace, index: &Index) -> Result<Layout> {
    let mut annotations = Annotations::new();
    if let Tree::Clean(revision) = Tree::of(&workspace.root)? {
        annotations.insert("org.opencontainers.image.revision".into(), revision.commit);
        annotations.insert("org.opencontainers.image.created".into(), revision.time);
    } else {
        annotations.insert(DIRTY.into(), "true".into());
    }
    Ok(index.to_artifact(annotations)?)
}

fn entry(manifest: &Manifest, digest: &str) -> Entry {
    let translated = |english: &str, others: &BTreeMap<String, String>| {
        let mut texts = others.clone();
        texts.insert("en".into(), english.to_owned());
        texts
    };
    Entry {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: digest.to_owned(),
        titles: translated(&manifest.title, &manifest.title_i18n),
        descriptions: translated(&manifest.description, &manifest.description_i18n),
        category: manifest.category.name().to_owned(),
        phase: manifest.stage.phase().to_owned(),
        priority: manifest.priority,
        fail_strategy: manifest.fail_strategy.name().to_owned(),
        holds_headers: manifest.holds_headers,
        may_hold_headers: manifest.may_hold_headers,
        reports_matches: manifest.reports_matches,
        example: manifest.example.clone(),
        differences: manifest.differences.clone(),
    }
}

/// Prints what was made.
pub(crate) fn print(workspace: &Workspace, made: &Made) {
    let shown = |path: &Path| workspace.shown(path).display().to_string();
    let index = made.catalogue.index();
    let rows = index
        .plugins
        .iter()
        .map(|entry| vec![entry.name.clone(), entry.version.clone(), entry.digest.clone()]);
    crate::output::table(&["plug-in", "version", "digest"], &[], &rows.collect::<Vec<_>>());
    for path in [made.catalogue.folder(), &made.archive] {
        anstream::println!("{} {}", crate::output::mark(true), shown(path));
    }
}
