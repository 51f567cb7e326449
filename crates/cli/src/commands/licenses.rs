//! `licenses`: the licenses of everything that the program and the modules of the catalogue are made of.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;
use workspace::Workspace;
use workspace::build::{TARGET, host};
use workspace::package::licenses::Licenses;
use workspace::package::sbom::linked_into;

use crate::{output, page};

/// The package of the program.
const PROGRAM: &str = "portcullis-cli";

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
    let programs = std::iter::once((PROGRAM, target));
    let modules = workspace.plugins.iter().map(|plugin| (plugin.name.as_str(), TARGET));
    let mut linked = Vec::new();
    for (package, target) in programs.chain(modules) {
        linked.extend(linked_into(workspace, package, target)?);
    }
    let mut licenses = Licenses::of_crates(workspace, &linked)?;
    for NpmPackage { name, version, license, texts } in packages(workspace)? {
        let place = format!("https://www.npmjs.com/package/{name}");
        licenses.add(&name, &version, &license, &place, texts);
    }
    Ok(format!("Portcullis is licensed under the Apache License 2.0. {licenses}"))
}
