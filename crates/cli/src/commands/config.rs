//! `config`: validates configurations without a cluster.

mod print;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "engine")]
use std::rc::Rc;

use anyhow::{Context, Result, bail};
#[cfg(feature = "engine")]
use marketplace::AskedModule;
use marketplace::check::{self, something_checked};
use marketplace::{Checker, Known, KnownPlugin, Report};
#[cfg(feature = "engine")]
use oci::Reference;

use crate::catalogue::Choice;
#[cfg(feature = "engine")]
use crate::open;
use crate::{Usage, registry};

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
  cargo xtask config wasmplugin.yaml               the resource names the plug-in
  cargo xtask config my.yaml --plugin request-block
                                                   the fields alone, as in a console
  kubectl get wasmplugin -A -o yaml | cargo xtask config -
  cargo xtask config my.yaml --module plugin.wasm  any module, run in an interpreter
  cargo xtask config my.yaml --image oci://registry.example.com/plugins/request-block:1.0.0
                                                   the schema and the module of an image
  cargo xtask config *.yaml --json                 for scripts

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
    /// Validate with the schema and the module of this image: the folder or archive of an OCI layout, or an image in a registry
    /// or the catalogue.
    #[arg(long, value_name = "LAYOUT|oci://…", conflicts_with_all = ["plugin", "module"])]
    image: Option<String>,
    /// Validate with the module in a real Envoy as well; its result takes precedence.
    #[arg(long)]
    envoy: bool,
    #[command(flatten)]
    catalogue: Choice,
    #[command(flatten)]
    access: registry::Access,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    if args.module.is_some() || args.image.is_some() {
        return by_module(args);
    }
    if args.envoy {
        bail!(Usage("--envoy runs a module: name one with --module or --image".into()));
    }
    let sources = args.catalogue.sources()?;
    let known = sources.known();
    let plugin = args.plugin.as_deref().map(|name| known.plugin(name)).transpose()?;
    check(args, &known, plugin)
}

#[cfg(feature = "engine")]
fn by_module(args: &Args) -> Result<bool> {
    let (shown, module) = match (&args.module, &args.image) {
        (Some(file), _) => (file.display().to_string(), AskedModule::read(file, args.envoy)?),
        (None, Some(image)) => (image.clone(), of_image(image, args)?),
        (None, None) => bail!(Usage("name a module with --module or --image".into())),
    };
    let missing = module.missing_imports();
    if !missing.is_empty() {
        anstream::eprintln!(
            "{shown}: imports {}, which Envoy does not have: only some gateways load it",
            missing.join(", ")
        );
    }
    let module = Rc::new(module);
    let known = Known::of_module(&module);
    check(args, &known, known.plugins.first().copied())
}

/// The module and the schema of an image, named like the image if that has no other name.
#[cfg(feature = "engine")]
fn of_image(image: &str, args: &Args) -> Result<AskedModule> {
    let layout = open::image(image, &args.catalogue, &args.access)?;
    let name = match Reference::parse(image) {
        Ok(reference) => reference.name().to_owned(),
        Err(_) => Path::new(image).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    AskedModule::of_image(&layout, &name, args.envoy).with_context(|| format!("reading the image {image}"))
}

#[cfg(not(feature = "engine"))]
fn by_module(_: &Args) -> Result<bool> {
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
