//! `build`: modules in `dist/`, checked before they are put there.

use anyhow::{Result, bail};
use workspace::build::{Builder, Profile};
use workspace::dist::{Built, Flavour, Options, Outcome};
use workspace::reproduce::{Comparison, Elsewhere};
use workspace::{Plugin, Workspace};

use crate::commands::check::print_failures;
use crate::{Usage, output};

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
    /// Plug-ins; case and `-`/`_` do not matter.
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

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let plugins: Vec<&Plugin> = if args.all {
        workspace.plugins.iter().collect()
    } else {
        args.plugins.iter().map(|name| workspace.plugin(name)).collect::<Result<_, _>>()?
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
    match workspace.build(builder, plugin, options)? {
        Outcome::Built(built) => Ok(Some(*built)),
        Outcome::Refused(report) => {
            print_failures(&plugin.name, &report);
            Ok(None)
        }
    }
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
