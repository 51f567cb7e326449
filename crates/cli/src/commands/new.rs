//! `new`: a plug-in that builds, passes its cases and needs no other edit.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use workspace::Workspace;

use crate::output::{self, BOLD, mark, styled};
use crate::{Usage, template};

/// Start a plug-in in `plugins/<name>`
///
/// It sets a header on every request, builds, passes its cases and lints as it stands: change it from there.
/// Nothing else has to be edited, because every list of plug-ins comes from the folders.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask new my-plugin          plugins/my-plugin, then:
  cargo xtask test my-plugin         its cases, natively and in a real Envoy
  cargo xtask build my-plugin        its module, in dist/my-plugin/plugin.wasm")]
pub(crate) struct Args {
    /// Lower-case words with dashes: the name of the folder, the package and the artifact.
    name: String,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let name = &args.name;
    let workspace = crate::open::workspace()?;
    if workspace.packages.iter().any(|package| package == name) {
        bail!(Usage(format!("there is a package `{name}` in this workspace already: choose another name")));
    }
    resource::names::validate(name, &workspace.crates).map_err(Usage)?;
    let folder = workspace.root.join("plugins").join(name);
    if folder.exists() {
        bail!(Usage(format!("plugins/{name} already exists: choose another name, or remove the folder")));
    }
    // Outside of plugins/ until it is whole: cargo reads every folder in there.
    let draft = workspace.root.join(format!(".new-{name}-{}", std::process::id()));
    let result = write(&draft, name).and_then(|()| {
        fs::rename(&draft, &folder).with_context(|| format!("moving the new folder to {}", folder.display()))
    });
    if result.is_err() {
        // The error below is the one to report; a second one while tidying up adds nothing.
        let _ = fs::remove_dir_all(&draft);
    }
    result?;
    enter_in_lock_file(&workspace)?;

    anstream::println!("{} plugins/{name}", mark(true));
    for (path, _) in template::files(name) {
        anstream::println!("    {path}");
    }
    anstream::println!("Next:");
    for (command, why) in [
        ("test", "runs tests/cases.yaml natively and in a real Envoy"),
        ("build", "leaves the module in dist/"),
        ("lint", "checks format, lints, documentation and plugin.yaml"),
    ] {
        let command = styled(BOLD, format_args!("cargo xtask {command} {name}"));
        anstream::println!("    {command}  {why}");
    }
    Ok(true)
}

fn write(draft: &Path, name: &str) -> Result<()> {
    for (path, text) in template::files(name) {
        let file = draft.join(path);
        let folder = file.parent().unwrap_or(draft);
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// Lets cargo enter the new package in Cargo.lock, which builds then take as it is.
fn enter_in_lock_file(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace::build::cargo();
    let status = cargo
        .current_dir(&workspace.root)
        .args(["update", "--workspace", "--offline", "--quiet"])
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        output::warning("Cargo.lock does not have the new package yet: run `cargo update --workspace`");
    }
    Ok(())
}
