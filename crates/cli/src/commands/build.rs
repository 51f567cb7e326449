//! `build`: builds and checks modules, and copies them to `dist/`.

use anyhow::{Result, bail};
use workspace::build::{Builder, Profile};
use workspace::dist::{Built, Flavour, Options, Outcome};
use workspace::reproduce::{Comparison, Elsewhere};
use workspace::{Plugin, Workspace};

use crate::commands::check::print_failures;
use crate::{Usage, output, rules};

/// Build plug-ins into `dist/<plugin>/plugin.wasm`
///
/// Each plug-in is built separately, with the release profile and the same flags everywhere, so the same source gives the
/// same bytes. A module that fails `cargo xtask check` is not copied to dist/.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask build request-block             one plug-in
  cargo xtask build request_block say-hello   several plug-ins; case and `-`/`_` do not matter
  cargo xtask build --all --json              all plug-ins, with JSON output
  cargo xtask build --all --check-reproducible
                                              and whether others would get the same bytes
  cargo xtask build waf --rules ../coreruleset
                                              with the rules of a folder
  cargo xtask build my-plugin --gateway higress
                                              for Higress and MSE, where it holds headers
  cargo xtask build my-plugin --profile wasm-dev
                                              quick while editing; stays in the target folder")]
pub(crate) struct Args {
    /// Plug-ins; case and `-`/`_` do not matter.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    plugins: Vec<String>,
    /// Build all plug-ins in plugins/.
    #[arg(long)]
    all: bool,
    /// The build profile.
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// The target gateway. Only plug-ins that may hold headers (`holdsHeaders` or `mayHoldHeaders` in the manifest) or can use
    /// Redis (the feature `redis` in Cargo.toml) have a different module for Higress and MSE, in
    /// `dist/<plugin>/higress/plugin.wasm`.
    #[arg(long, value_enum, default_value = "any")]
    gateway: Flavour,
    /// Build again from a copy in another folder with another CARGO_HOME, and fail if the bytes differ.
    #[arg(long)]
    check_reproducible: bool,
    #[command(flatten)]
    rules: rules::Choice,
    /// Copy the module to `plugins/<plugin>/plugin.wasm` as well.
    #[arg(long)]
    copy_to_source: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The plug-ins with these names, or all: at least one.
pub(crate) fn plugins<'w>(workspace: &'w Workspace, all: bool, names: &[String]) -> Result<Vec<&'w Plugin>> {
    let plugins: Vec<&Plugin> = match all {
        true => workspace.plugins.iter().collect(),
        false => names.iter().map(|name| workspace.plugin(name)).collect::<Result<_, _>>()?,
    };
    if plugins.is_empty() {
        bail!(Usage(format!(
            "there are no plug-ins in {}: create one with `cargo xtask new my-plugin`",
            workspace.root.join("plugins").display()
        )));
    }
    Ok(plugins)
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let plugins = plugins(&workspace, args.all, &args.plugins)?;
    let options =
        Options { profile: args.profile, flavour: args.gateway, copy_to_source: args.copy_to_source };
    let builder = args.rules.builder(&workspace, &plugins)?;
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
            // Continue with the others.
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

/// Builds a module. Returns `None` after printing failed checks.
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
                text::thousands(module.size),
                text::thousands(module.budget),
                text::thousands(module.gzip_size),
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
