//! `check`: static checks of a module.

use std::path::Path;

use anyhow::{Result, bail};
use marketplace::shelf::check_file;
use resource::Manifest;
use resource::names::canonical;
use serde::Serialize;
use workspace::dist::HIGRESS;
use workspace::module::{Gateway, Report};

use crate::Usage;
use crate::output::{BOLD, DIM, mark, styled};

/// Check a module, and list the gateways that load it
///
/// Accepts plug-ins that have been built and .wasm files written in any language. Checks name and size, binary format,
/// ABI version, exports, and each import against the host functions of gateways.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask check request-block                 the module in dist/request-block
  cargo xtask check plugin.wasm other.wasm        any files
  cargo xtask check plugin.wasm --gateway istio   fail unless Istio loads it
  cargo xtask check plugin.wasm --json            for scripts")]
pub(crate) struct Args {
    /// Plug-ins of this workspace, or files.
    #[arg(required = true, value_name = "PLUGIN|FILE.wasm")]
    modules: Vec<String>,
    /// Fail unless this gateway loads the module; may be repeated.
    #[arg(long, value_enum)]
    gateway: Vec<Gateway>,
    /// Print the reports as JSON.
    #[arg(long)]
    json: bool,
}

/// A report with the name given by the user.
#[derive(Serialize)]
struct Named {
    module: String,
    ok: bool,
    #[serde(flatten)]
    report: Report,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut reports = Vec::new();
    for module in &args.modules {
        let report = report(module)?;
        let wanted = |gateway: &Gateway| {
            report.gateways.iter().any(|verdict| verdict.gateway == *gateway && verdict.loads)
        };
        let ok = report.ok() && args.gateway.iter().all(wanted);
        reports.push(Named { module: module.clone(), ok, report });
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        for (index, named) in reports.iter().enumerate() {
            if index > 0 {
                anstream::println!();
            }
            print(named);
        }
    }
    Ok(reports.iter().all(|named| named.ok))
}

fn report(module: &str) -> Result<Report> {
    let path = Path::new(module);
    let looks_like_file = path.components().count() > 1 || module.contains('.') || path.is_file();
    if looks_like_file {
        return Ok(check_file(path, manifest_beside(path)?.as_ref())?);
    }
    let workspace = crate::open::workspace()?;
    let plugin = workspace.plugin(module)?;
    let file = workspace.root.join("dist").join(&plugin.name).join("plugin.wasm");
    if !file.is_file() {
        bail!(Usage(format!(
            "{} has not been built: run `cargo xtask build {}` first",
            workspace.shown(&file).display(),
            plugin.name
        )));
    }
    Ok(check_file(&file, Some(&plugin.manifest()?))?)
}

/// Returns the manifest of the plug-in that a module belongs to: `plugins/<plugin>/plugin.wasm`,
/// `dist/<plugin>/plugin.wasm`, or its variant for Higress.
fn manifest_beside(file: &Path) -> Result<Option<Manifest>> {
    let Ok(file) = file.canonicalize() else {
        return Ok(None);
    };
    let Some(mut folder) = file.parent() else {
        return Ok(None);
    };
    if folder.ends_with(HIGRESS) {
        folder = folder.parent().unwrap_or(folder);
    }
    let Ok(workspace) = crate::open::workspace() else {
        return Ok(None);
    };
    let Some(name) = folder.file_name().map(|name| canonical(&name.to_string_lossy())) else {
        return Ok(None);
    };
    let plugin = workspace.plugin(&name).ok().filter(|plugin| {
        file.ends_with("plugin.wasm")
            && (folder == plugin.folder || folder == workspace.root.join("dist").join(&plugin.name))
    });
    Ok(plugin.map(workspace::Plugin::manifest).transpose()?)
}

fn print(named: &Named) {
    let report = &named.report;
    anstream::println!("{}", styled(BOLD, report.file.display()));
    for check in &report.checks {
        anstream::println!("  {} {:<12} {}", mark(check.ok), check.name, check.detail);
        for remark in &check.remarks {
            anstream::println!("      {:<12} {remark}", "");
        }
    }
    for group in
        report.gateways.chunk_by(|a, b| (a.loads, &a.reasons, &a.needs) == (b.loads, &b.reasons, &b.needs))
    {
        let Some(first) = group.first() else { continue };
        let titles: Vec<&str> = group.iter().map(|verdict| verdict.gateway.title()).collect();
        let needs = first.needs.as_ref().map(|needs| format!(", with {needs}")).unwrap_or_default();
        let verb = if first.loads { "loads in" } else { "does not load in" };
        anstream::println!("  {} {verb} {}{needs}", mark(first.loads), titles.join(", "));
        for reason in &first.reasons {
            anstream::println!("      {:<12} {}", "", styled(DIM, reason));
        }
    }
}

/// Prints failed checks to stderr.
pub(crate) fn print_failures(plugin: &str, report: &Report) {
    for check in report.checks.iter().filter(|check| !check.ok) {
        anstream::eprintln!("{} {plugin}: {}: {}", mark(false), check.name, check.detail);
        for remark in &check.remarks {
            anstream::eprintln!("    {remark}");
        }
    }
}
