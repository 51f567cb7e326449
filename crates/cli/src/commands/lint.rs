//! `lint`: formatting, clippy, documentation, wording, manifests and READMEs. Warnings are errors.

mod differences;
mod examples;
mod wording;
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
use crate::program;

/// Check formatting, lints, documentation, wording, manifests and READMEs
///
/// Without a name, checks the whole workspace. Every warning is an error, as in CI.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask lint               everything
  cargo xtask lint my-plugin     one plug-in
  cargo xtask lint --fix         format, apply clippy's fixes, and write the tables of READMEs
  cargo xtask lint --workflows   check .github/workflows with actionlint")]
pub(crate) struct Args {
    /// The plug-in to check; case and `-`/`_` do not matter.
    plugin: Option<String>,
    /// Fix what can be fixed automatically.
    #[arg(long)]
    fix: bool,
    /// Check .github/workflows instead: their syntax, and that actions are pinned to the commits in .github/actions.md.
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

    let fix =
        if args.fix { vec!["--fix", "--allow-dirty", "--allow-staged", "--allow-no-vcs"] } else { vec![] };
    let strict = ["--", "--deny", "warnings"];
    let clippy =
        |rest: &[&str]| cargo(&workspace, &["clippy", "--locked"], &[rest, &fix, &strict].concat(), None);
    step("clippy", clippy(&[packages("--workspace"), vec!["--all-targets"]].concat())?);

    // Code for modules is not compiled for the host. Modules are checked one at a time, as they are built: together
    // they would have each other's features.
    workspace::build::require_target(&workspace, TARGET)?;
    for plugin in &plugins {
        let module = ["--package", plugin.name.as_str(), "--lib", "--target", TARGET];
        step("clippy for modules", clippy(&module)?);
    }

    let strict = Some(("RUSTDOCFLAGS", "--deny warnings"));
    step(
        "documentation",
        cargo(&workspace, &["doc", "--locked", "--no-deps"], &packages("--workspace"), strict)?,
    );

    if one.is_none() {
        output::step("wording");
        step("wording", wording::is_plain(&workspace)?);
    }

    output::step("manifests and READMEs");
    step("manifests", plugins.iter().filter(|plugin| !is_described(&workspace, plugin)).count() == 0);

    output::step("examples, and tables of fields");
    let own =
        |plugin: &&Plugin| !plugin.classic && workspace.plugins.iter().any(|other| other.name == plugin.name);
    let described: Vec<&Plugin> = plugins.iter().copied().filter(own).collect();
    match docs::describers(&workspace, &described) {
        Ok(describers) => {
            for (plugin, describer) in described.iter().zip(&describers) {
                step("fields", has_good_fields(plugin, describer, args.fix));
            }
        }
        Err(error) => {
            output::error(&error);
            step("fields", false);
        }
    }

    // Last, because clippy's fixes are not formatted.
    if args.fix && !format()? {
        failed.push("format");
    }
    if failed.is_empty() {
        anstream::println!("{} no problems found", mark(true));
    } else {
        let hint = if args.fix { "" } else { "; `cargo xtask lint --fix` fixes what it can" };
        anstream::eprintln!("{} {}{}", styled(BAD, "failed:"), failed.join(", "), program::text(hint));
    }
    Ok(failed.is_empty())
}

/// Runs cargo with its output. Returns true if it succeeds.
fn cargo(workspace: &Workspace, command: &[&str], rest: &[&str], env: Option<(&str, &str)>) -> Result<bool> {
    output::step(format_args!("cargo {}", [command, rest].concat().join(" ")));
    let mut cargo: Command = workspace::build::cargo();
    cargo.current_dir(&workspace.root).args(command).args(rest).envs(env);
    Ok(cargo.status().context("cargo cannot be started")?.success())
}

/// Returns false, after printing the problems, if a plug-in has no valid manifest or no README.
fn is_described(workspace: &Workspace, plugin: &Plugin) -> bool {
    let mut problems = Vec::new();
    if let Err(error) = plugin.manifest() {
        problems.push(error.to_string());
    }
    let readme = plugin.shown.join("README.md");
    if !workspace.root.join(&readme).is_file()
        && workspace.plugins.iter().any(|other| other.name == plugin.name)
    {
        problems.push(format!("{}: is missing: describe the plug-in and its fields", readme.display()));
    }
    for problem in &problems {
        output::problem(problem);
    }
    problems.is_empty()
}

/// Returns false, after printing the problems, if the plug-in rejects an example of its manifest or READMEs, or if its
/// generated tables or differences are not in order.
fn has_good_fields(plugin: &Plugin, describer: &Describer, fix: bool) -> bool {
    let look = || {
        let mut good = takes_example(plugin, describer)? & examples::are_accepted(plugin, describer)?;
        if let Ok(schema) = describer.schema() {
            good &= differences::are_valid(plugin, &schema)?;
        }
        Ok::<_, anyhow::Error>(docs::plugin_docs(plugin, describer, !fix)? && good)
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
