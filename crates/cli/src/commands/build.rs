//! `build`: modules in `dist/`, checked before they are put there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use abi::Abi;
use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::commands::check::print_failures;
use crate::module::{Subject, check};
use crate::output;
use crate::reproduce::{Comparison, Elsewhere};
use crate::wasm::{Builder, Profile};
use crate::workspace::{HIGRESS, Plugin, Workspace};
use crate::{Usage, module};

/// Build plug-ins into `dist/<plugin>/plugin.wasm`
///
/// Each plug-in is built alone, with the release profile and the same flags everywhere, so that the same
/// source gives the same bytes. A module that fails `cargo xtask check` is not put into dist/.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask build request-block             one plug-in
  cargo xtask build request_block say-hello   several; underscores name them too
  cargo xtask build --all --json              all, and the table as JSON
  cargo xtask build --all --check-reproducible
                                              and whether others would get the same bytes
  cargo xtask build my-plugin --gateway higress
                                              for Higress and MSE, where it holds headers
  cargo xtask build my-plugin --profile wasm-dev
                                              quick while editing; stays in the target folder")]
pub(crate) struct Args {
    /// Names of plug-ins, in any spelling.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    plugins: Vec<String>,
    /// Every plug-in under plugins/.
    #[arg(long)]
    all: bool,
    /// How to compile.
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// The gateway that it is for. Only a plug-in that holds headers, or may (`holdsHeaders` and `mayHoldHeaders` in
    /// its manifest), has another module for Higress and MSE, in `dist/<plugin>/higress/plugin.wasm`.
    #[arg(long, value_enum, default_value = "any")]
    gateway: Flavour,
    /// Build a second time, from a copy in another folder and with another CARGO_HOME, and fail where the bytes differ.
    #[arg(long)]
    check_reproducible: bool,
    /// Leave the module beside its source too, as `plugins/<plugin>/plugin.wasm`.
    #[arg(long)]
    copy_to_source: bool,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// Which of the two forms of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Flavour {
    /// ABI 0.2.1.
    Any,
    /// ABI 0.2.100, where the plug-in holds headers.
    Higress,
}

/// What is wanted of a build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) profile: Profile,
    pub(crate) flavour: Flavour,
    pub(crate) copy_to_source: bool,
}

/// A module that was built.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Built {
    plugin: String,
    /// Where the module is, the first being the one to take.
    pub(crate) files: Vec<PathBuf>,
    size: u64,
    budget: u64,
    gzip_size: u64,
    abi: Option<String>,
    gateways: Vec<module::Gateway>,
    sha256: String,
    /// What a second build elsewhere came to, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reproduced: Option<Comparison>,
    #[serde(skip)]
    loads_in: String,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = Workspace::load()?;
    let plugins: Vec<&Plugin> = if args.all {
        workspace.plugins.iter().collect()
    } else {
        args.plugins.iter().map(|name| workspace.plugin(name)).collect::<Result<_>>()?
    };
    if plugins.is_empty() {
        bail!(Usage("there is no plug-in under plugins/: `cargo xtask new my-plugin` starts one".into()));
    }
    let options =
        Options { profile: args.profile, flavour: args.gateway, copy_to_source: args.copy_to_source };
    let builder = Builder::new(&workspace)?;
    let mut built = Vec::new();
    let mut all_good = true;
    let elsewhere = match args.check_reproducible {
        true => Some(Elsewhere::new(&workspace, &builder)?),
        false => None,
    };
    for plugin in plugins {
        let module = build(&workspace, &builder, plugin, options).and_then(|mut module| {
            if let (Some(module), Some(elsewhere)) = (&mut module, &elsewhere) {
                let comparison = elsewhere.compare(&builder, plugin, args.profile)?;
                all_good &= comparison.difference.is_none();
                module.reproduced = Some(comparison);
            }
            Ok(module)
        });
        match module {
            Ok(Some(module)) => built.push(module),
            Ok(None) => all_good = false,
            // The others are still worth having.
            Err(error) => {
                output::error(&error);
                all_good = false;
            }
        }
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&built)?);
    } else {
        print(&workspace, &built);
    }
    Ok(all_good)
}

/// Builds one module; nothing when its checks fail, which have then been printed.
pub(crate) fn build(
    workspace: &Workspace,
    builder: &Builder,
    plugin: &Plugin,
    options: Options,
) -> Result<Option<Built>> {
    let mut manifest = plugin.manifest()?;
    let compiled = builder.build(plugin, options.profile)?;
    let mut bytes = fs::read(&compiled).with_context(|| format!("reading {}", compiled.display()))?;
    let mut folder = workspace.root.join("dist").join(&plugin.name);
    if manifest.has_higress_flavour() && options.flavour == Flavour::Higress {
        folder.push(HIGRESS);
        let higress = abi::declare(&bytes, Abi::Higress).with_context(|| plugin.name.clone())?;
        bytes = higress.with_context(|| format!("{} declares no ABI version to change", plugin.name))?;
    }
    let size = bytes.len() as u64;
    let budget = manifest.budget.size;
    let mut files = match options.profile {
        Profile::Release => vec![folder.join("plugin.wasm")],
        Profile::WasmDev => {
            // The budget is on what is shipped.
            manifest.budget.size = u64::MAX;
            Vec::new()
        }
    };
    if options.copy_to_source {
        files.push(plugin.folder.join("plugin.wasm"));
    }
    let report = check(&Subject {
        file: compiled.clone(),
        size,
        bytes: &bytes,
        manifest: Some(&manifest),
        holds_headers: false,
    });
    if !report.ok() {
        print_failures(&plugin.name, &report);
        return Ok(None);
    }
    for file in &files {
        put(file, &bytes)?;
    }
    if files.is_empty() {
        files.push(compiled);
    }
    Ok(Some(Built {
        plugin: plugin.name.clone(),
        files,
        size,
        budget,
        gzip_size: gzip_size(&bytes)?,
        sha256: hex(&Sha256::digest(&bytes)),
        reproduced: None,
        loads_in: report.loads_in(),
        gateways: report
            .gateways
            .iter()
            .filter(|verdict| verdict.loads)
            .map(|verdict| verdict.gateway)
            .collect(),
        abi: report.abi,
    }))
}

/// Puts a file in place whole: a reader sees the old one or the new one.
fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let temporary = folder.join(format!(".plugin.wasm.{}", std::process::id()));
    let result = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, file));
    if result.is_err() {
        // The error below is the one to report; a second one while tidying up adds nothing.
        let _ = fs::remove_file(&temporary);
    }
    result.with_context(|| format!("writing {}: make room there, or the folder writable", file.display()))
}

/// What the module weighs in an image, whose layers are gzip.
fn gzip_size(bytes: &[u8]) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print(workspace: &Workspace, built: &[Built]) {
    if built.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = built
        .iter()
        .map(|module| {
            vec![
                module.plugin.clone(),
                output::thousands(module.size),
                output::thousands(module.budget),
                output::thousands(module.gzip_size),
                module.abi.clone().unwrap_or_default(),
                module.loads_in.clone(),
                module.sha256.clone(),
            ]
        })
        .collect();
    let headings = ["plug-in", "size", "budget", "gzip", "ABI", "loads in", "sha256"];
    output::table(&headings, &[1, 2, 3], &rows);
    for file in built.iter().flat_map(|module| &module.files) {
        anstream::println!("{} {}", output::mark(true), workspace.shown(file).display());
    }
    for module in built {
        let Some(comparison) = &module.reproduced else { continue };
        let Comparison { here, elsewhere, difference } = comparison;
        let plugin = &module.plugin;
        anstream::println!("{} {plugin} here      {here}", output::mark(difference.is_none()));
        anstream::println!("  {plugin} elsewhere {elsewhere}");
        if let Some(difference) = difference {
            anstream::println!("  {difference}");
        }
    }
}
