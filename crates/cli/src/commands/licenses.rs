//! `licenses`: the licenses of everything that the program and the modules of the catalogue are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;
use workspace::Workspace;
use workspace::build::{TARGET, host};
use workspace::package::sbom::{Linked, linked_into};

use crate::{output, page};

/// The package of the program.
const PROGRAM: &str = "portcullis-cli";

/// Beginnings of the names of files with licenses and notices.
const FILES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// Print the licenses of third parties, for THIRD_PARTY.txt
///
/// Lists the crates that are linked into the program and into the modules of this workspace, and the npm packages in the
/// page of the console, with the texts in their packages. The same text is printed once.
#[derive(clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// The target of the program. [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let target = match &args.target {
        Some(target) => target.clone(),
        None => host(&workspace)?,
    };
    let text = notices(&workspace, &target)?;
    match &args.out {
        None => anstream::print!("{text}"),
        Some(file) => {
            fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
            output::step(format_args!("wrote {}", file.display()));
        }
    }
    Ok(true)
}

/// A third party's crate, and where its package is.
type Crates = BTreeMap<(String, String), Linked>;

/// An npm package in the page of the console.
#[derive(Deserialize)]
struct NpmPackage {
    name: String,
    version: String,
    license: String,
    texts: Vec<String>,
}

/// The npm packages in the page of the console. The script rejects licenses that are not permitted.
fn packages(workspace: &Workspace) -> Result<Vec<NpmPackage>> {
    let sources = page::sources(&workspace.root);
    if !sources.join("package.json").is_file() {
        // A workspace of an author's own has no console.
        return Ok(Vec::new());
    }
    page::install(&sources)?;
    let mut script = page::npm(&sources)?;
    script.args(["run", "--silent", "licenses"]);
    page::run(script, "npm run licenses")?;
    let file = sources.join("licenses.json");
    let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))
}

/// The notices, in one text.
pub(crate) fn notices(workspace: &Workspace, target: &str) -> Result<String> {
    let mut crates = Crates::new();
    let programs = std::iter::once((PROGRAM, target));
    let modules = workspace.plugins.iter().map(|plugin| (plugin.name.as_str(), TARGET));
    for (package, target) in programs.chain(modules) {
        let linked = linked_into(workspace, package, target)?;
        let foreign = linked.into_iter().filter(|linked| !linked.own);
        crates.extend(foreign.map(|linked| ((linked.name.clone(), linked.version.clone()), linked)));
    }
    let folders = folders(workspace)?;
    // By their text without differences in white space, in the order of the first crate that has each.
    let mut texts = Texts::new();
    let mut list = String::new();
    for (key, linked) in &crates {
        let Linked { name, version, license, repository, .. } = linked;
        let _ = writeln!(list, "{name} {version}: {license} {repository}");
        let folder = folders.get(key).with_context(|| format!("cargo does not locate {name} {version}"))?;
        let user = format!("{name} {version}");
        license_texts(folder)?.into_iter().for_each(|text| add(&mut texts, text, &user));
    }
    for NpmPackage { name, version, license, texts: own } in packages(workspace)? {
        let _ = writeln!(list, "{name} {version}: {license} https://www.npmjs.com/package/{name}");
        let user = format!("{name} {version}");
        own.into_iter().for_each(|text| add(&mut texts, text, &user));
    }
    let mut notices = format!(
        "Portcullis is licensed under the Apache License 2.0. It contains the software of third parties below.\n\n\
         The Rust standard library: MIT OR Apache-2.0 https://github.com/rust-lang/rust\n{list}"
    );
    let rule = "-".repeat(80);
    for (_, text, users) in &texts {
        let users = users.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let _ = write!(notices, "\n{rule}\n{users}\n{rule}\n\n{}\n", text.trim_matches('\n'));
    }
    Ok(notices)
}

/// Texts without differences in white space, as they are written, and the packages that have them.
type Texts = Vec<(String, String, BTreeSet<String>)>;

fn add(texts: &mut Texts, text: String, user: &str) {
    let key = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match texts.iter_mut().find(|(other, ..)| *other == key) {
        Some((.., users)) => _ = users.insert(user.to_owned()),
        None => texts.push((key, text, BTreeSet::from([user.to_owned()]))),
    }
}

/// The folders of all packages, by name and version.
fn folders(workspace: &Workspace) -> Result<BTreeMap<(String, String), PathBuf>> {
    let mut command = MetadataCommand::new();
    command.current_dir(&workspace.root).other_options(["--locked".to_owned()]);
    let metadata = command.exec().context("reading the packages of this workspace")?;
    let packages = metadata.packages.into_iter();
    Ok(packages
        .filter_map(|package| {
            let folder = package.manifest_path.as_std_path().parent()?.to_path_buf();
            Some(((package.name.to_string(), package.version.to_string()), folder))
        })
        .collect())
}

/// The texts of the licenses and notices in a package.
fn license_texts(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if FILES.iter().any(|start| name.starts_with(start)) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    let text = |file: &PathBuf| {
        let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_a_package_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("LICENSE-MIT", "a\r\nb"), ("license.apache", "c"), ("README.md", "d"), ("UNLICENSE", "e")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("licenses")).unwrap();
        assert_eq!(license_texts(folder.path()).unwrap(), ["a\nb", "e", "c"]);
    }
}
