//! `config`: validates configurations without a cluster.

mod print;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "engine")]
use std::rc::Rc;

use anyhow::{Context, Result};
#[cfg(feature = "engine")]
use marketplace::AskedModule;
use marketplace::check::{self, something_checked};
use marketplace::{Checker, Known, KnownPlugin, Report};

use crate::Usage;
use crate::catalogue::Choice;

pub(crate) use print::{print, print_mistakes, print_remarks, print_report};

/// Check configurations before they are deployed
///
/// Accepts the configuration of a plug-in, or resources that deploy plug-ins (WasmPlugin of Higress and Istio,
/// EnvoyExtensionPolicy of Envoy Gateway), including files with several documents and lists. Each is converted to the JSON that
/// the plug-in would receive, as the control plane does, and validated by the plug-in's own code. All errors are reported
/// with line, field and remedy. Valid configurations are printed as JSON. Resources of other kinds and of other plug-ins are
/// skipped with a note.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask config wasmplugin.yaml              the resource names the plug-in
  cargo xtask config my.yaml --plugin request-block
                                                  the fields alone, as in a console
  kubectl get wasmplugin -A -o yaml | cargo xtask config -
  cargo xtask config my.yaml --module plugin.wasm any module, run in an interpreter
  cargo xtask config *.yaml --json                for scripts

Exit codes: 0 all are valid, 1 at least one is rejected, 2 usage error.")]
pub(crate) struct Args {
    /// YAML or JSON files; `-` reads the standard input.
    #[arg(required = true, value_name = "FILE.yaml")]
    files: Vec<PathBuf>,
    /// The plug-in; not needed for resources that name a plug-in of the workspace or the catalogue.
    #[arg(long)]
    plugin: Option<String>,
    /// Validate with this module instead, which needs neither its source nor a workspace.
    #[arg(long, value_name = "FILE.wasm", conflicts_with = "plugin")]
    module: Option<PathBuf>,
    /// Validate with the module in a real Envoy as well; its result takes precedence.
    #[arg(long, requires = "module")]
    envoy: bool,
    #[command(flatten)]
    catalogue: Choice,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    if let Some(file) = &args.module {
        return by_module(args, file);
    }
    let sources = args.catalogue.sources()?;
    let known = sources.known();
    let plugin = args.plugin.as_deref().map(|name| known.plugin(name)).transpose()?;
    check(args, &known, plugin)
}

#[cfg(feature = "engine")]
fn by_module(args: &Args, file: &Path) -> Result<bool> {
    let module = Rc::new(AskedModule::read(file, args.envoy)?);
    let missing = module.missing_imports();
    if !missing.is_empty() {
        anstream::eprintln!(
            "{}: imports {}, which Envoy does not have: only some gateways load it",
            file.display(),
            missing.join(", ")
        );
    }
    let known = Known::of_module(&module);
    check(args, &known, known.plugins.first().copied())
}

#[cfg(not(feature = "engine"))]
fn by_module(_: &Args, _: &Path) -> Result<bool> {
    crate::heavy::replace()
}

/// Checks the files, and prints the reports. Returns true if all are good.
fn check(args: &Args, known: &Known<'_>, plugin: Option<KnownPlugin<'_>>) -> Result<bool> {
    let texts = args.files.iter().map(|file| Ok((file, read(file)?))).collect::<Result<Vec<_>>>()?;
    let mut checker = Checker::new(known, plugin);
    let mut reports = Vec::new();
    for (file, text) in texts {
        reports.extend(checker.file(file, &text)?);
    }
    something_checked(&mut reports);
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        reports.iter().for_each(print_report);
    }
    Ok(reports.iter().all(Report::is_good))
}

pub(crate) fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading the standard input")?;
        return Ok(text);
    }
    let bytes = fs::read(file).map_err(|error| {
        Usage(format!("{} cannot be read: {error}; name a YAML or JSON file", file.display()))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count();
        Usage(format!("{}:{}: is not UTF-8: save it as UTF-8", file.display(), line + 1)).into()
    })
}

/// Returns the configuration in a file for a plug-in, or `None` after printing why it is rejected.
pub(crate) fn document(
    known: &Known<'_>,
    plugin: KnownPlugin<'_>,
    file: &Path,
) -> Result<Option<resource::Object>> {
    match check::document(known, plugin, file, &read(file)?) {
        Ok(configured) => {
            for report in &configured.reports {
                match report.is_checked() {
                    true => print_remarks(report),
                    false => print_report(report),
                }
            }
            Ok(Some(configured.document))
        }
        Err(error) => print_mistakes(error.into(), file).map(|()| None),
    }
}
