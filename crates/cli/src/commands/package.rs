//! `package`: creates images of plug-ins in `dist/`, without a container engine and network.

pub(crate) mod catalogue;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci::Shape;
use resource::names::canonical;
use serde::Serialize;
use workspace::Workspace;
use workspace::build::Profile;
use workspace::dist::{Flavour, Options};
use workspace::package::{Package, Source};

use crate::Usage;
use crate::commands::build;
use crate::commands::check::print_failures;
use crate::{output, rules};
use marketplace::shelf::check_file;

/// The folder of the layout, in that of its plug-in.
const LAYOUT: &str = "image";

/// The file with the digest of a pushed layout.
const DIGEST: &str = "image.digest";

/// Create images of plug-ins, ready to be pushed to a registry
///
/// Builds each plug-in and writes its image to `dist/<plugin>/`, as an OCI layout (`image/`) and as an archive (`image.tar`),
/// with spec.yaml, the READMEs, the licenses of third parties and a bill of materials (CycloneDX). This requires neither a container
/// engine nor a network, except to download the rules of `waf` once. The same commit gives the same digest everywhere.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask package request-block
  cargo xtask package --all --json
  cargo xtask package request-block --shape plain --image plugins/request-block:1.0.0
                                               for `docker load -i dist/request-block/image.tar`
  cargo xtask package --wasm other.wasm --manifest other/plugin.yaml
                                               a module that was built elsewhere
  cargo xtask package --catalogue              all plug-ins, as a catalogue in dist/catalogue
  cargo xtask verify dist/request-block/image  which gateways accept it
  cargo xtask push request-block oci://registry.example.com/plugins/request-block:1.0.0")]
pub(crate) struct Args {
    /// Plug-ins; case and `-`/`_` do not matter.
    #[arg(
        required_unless_present_any = ["all", "wasm", "catalogue"],
        conflicts_with_all = ["all", "wasm", "catalogue"]
    )]
    plugins: Vec<String>,
    /// Package all plug-ins in plugins/.
    #[arg(long, conflicts_with = "wasm")]
    all: bool,
    /// A module that was built elsewhere.
    #[arg(long, value_name = "FILE.wasm", requires = "manifest")]
    wasm: Option<PathBuf>,
    /// The manifest of the module, in a folder with its READMEs.
    #[arg(long, value_name = "plugin.yaml", requires = "wasm")]
    manifest: Option<PathBuf>,
    /// Make a catalogue of every plug-in under plugins/: their images and an index in dist/catalogue, and the artifact that
    /// publishes the index in dist/catalogue.tar.
    #[arg(long, conflicts_with_all = ["all", "wasm", "shape", "image", "gateway"])]
    catalogue: bool,
    /// The registry and folder that the images of the catalogue are published in, for its index.
    #[arg(long, value_name = "oci://…", requires = "catalogue")]
    registry: Option<String>,
    /// The shape of the image: `higress` has layers with data for consoles before that of the plug-in, `plain` only the plug-in.
    /// All gateways accept both; `docker load` accepts `plain`.
    #[arg(long, value_enum, default_value = "higress")]
    shape: WantedShape,
    /// The image's tag, or the version of the catalogue. [default: the plug-in's version, or that of this program]
    #[arg(long)]
    tag: Option<String>,
    /// The name of the image for `docker load`. [default: <plugin>:<tag>]
    #[arg(long, value_name = "NAME:TAG")]
    image: Option<String>,
    /// The target gateway, see `cargo xtask build --help`.
    #[arg(long, value_enum, default_value = "any")]
    gateway: Flavour,
    #[command(flatten)]
    rules: rules::Choice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum WantedShape {
    Higress,
    Plain,
}

/// A created image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    plugin: String,
    version: String,
    tag: String,
    /// The digest of the manifest, for deployments.
    digest: String,
    /// Size of all layers in bytes.
    size: u64,
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    if args.image.is_some() && (args.all || args.plugins.len() > 1) {
        bail!(Usage("--image names one image: package one plug-in".into()));
    }
    if args.image.is_some() && !matches!(args.shape, WantedShape::Plain) {
        bail!(Usage("--image is the name for `docker load`, which takes only `--shape plain`".into()));
    }
    if let Some(tag) = &args.tag {
        oci::check_tag(tag).map_err(Usage::from)?;
    }
    let workspace = crate::open::workspace()?;
    if args.catalogue {
        let version = args.tag.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
        let made = catalogue::make(&workspace, version, args.registry.as_deref(), &args.rules)?;
        match args.json {
            true => anstream::println!("{}", serde_json::to_string_pretty(made.catalogue.index())?),
            false => catalogue::print(&workspace, &made),
        }
        return Ok(true);
    }
    let mut made = Vec::new();
    let mut all_good = true;
    if let (Some(module), Some(manifest)) = (&args.wasm, &args.manifest) {
        for file in [module, manifest] {
            if !file.is_file() {
                bail!(Usage(format!("{} does not exist: name a file", file.display())));
            }
        }
        let source = Source::of_files(module, manifest, output::notice)?;
        let report = check_file(module, Some(&source.manifest))?;
        if !report.ok() {
            print_failures(&module.display().to_string(), &report);
            return Ok(false);
        }
        // It must not replace a plug-in of this workspace in dist/.
        let name = canonical(&source.manifest.name);
        if workspace.plugin(&name).is_ok() {
            bail!(Usage(format!(
                "`{name}` is the name of a plug-in of this workspace: give the module another name"
            )));
        }
        made.push(put(&workspace, args.wanted(&source), &source, &workspace.root.join("dist").join(name))?);
    } else {
        let plugins = build::plugins(&workspace, args.all, &args.plugins)?;
        let builder = args.rules.builder(&workspace, &plugins)?;
        let options = Options { profile: Profile::Release, flavour: args.gateway, copy_to_source: false };
        for plugin in plugins {
            let built = build::build(&workspace, &builder, plugin, options)?;
            let Some(module) = built.as_ref().and_then(|built| built.files.first()) else {
                all_good = false;
                continue;
            };
            let source = Source::of_plugin(&workspace, &builder, plugin, module)?;
            let folder = module.parent().unwrap_or(Path::new("."));
            made.push(put(&workspace, args.wanted(&source), &source, folder)?);
        }
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&made)?);
    } else {
        print(&workspace, &made);
    }
    Ok(all_good)
}

/// Packages a plug-in with defaults, and returns the path of its layout, or `None` if its module fails the checks.
pub(crate) fn for_push(workspace: &Workspace, name: &str, flavour: Flavour) -> Result<Option<PathBuf>> {
    let plugin = workspace.plugin(name)?;
    let options = Options { profile: Profile::Release, flavour, copy_to_source: false };
    let builder = rules::Choice::default().builder(workspace, &[plugin])?;
    let built = build::build(workspace, &builder, plugin, options)?;
    let Some(module) = built.as_ref().and_then(|built| built.files.first()) else { return Ok(None) };
    let source = Source::of_plugin(workspace, &builder, plugin, module)?;
    let folder = module.parent().unwrap_or(Path::new("."));
    let wanted = Wanted { shape: Shape::Higress, tag: &source.manifest.version, image: None };
    put(workspace, wanted, &source, folder)?;
    Ok(Some(folder.join(LAYOUT)))
}

/// Options of an image.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    shape: Shape,
    tag: &'a str,
    /// Name for `docker load`.
    image: Option<&'a str>,
}

impl Args {
    fn wanted<'a>(&'a self, source: &'a Source) -> Wanted<'a> {
        Wanted {
            shape: match self.shape {
                WantedShape::Higress => Shape::Higress,
                WantedShape::Plain => Shape::Plain,
            },
            tag: self.tag.as_deref().unwrap_or(&source.manifest.version),
            image: self.image.as_deref(),
        }
    }
}

/// Writes the files of an image to a folder.
fn put(workspace: &Workspace, wanted: Wanted<'_>, source: &Source, folder: &Path) -> Result<Made> {
    let manifest = &source.manifest;
    let Wanted { shape, tag, image } = wanted;
    oci::check_tag(tag).map_err(Usage::from)?;
    output::step(format_args!("packaging {} {tag}", manifest.name));
    let package = source.package(shape, tag)?;
    let name = image.map_or_else(|| format!("{}:{tag}", manifest.name), ToOwned::to_owned);
    let Package { layout, image, spec, bill } = package;
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let file = |name: &str| folder.join(name);
    // Left by a push of the previous image.
    if file(DIGEST).exists() {
        fs::remove_file(file(DIGEST)).with_context(|| format!("removing {}", file(DIGEST).display()))?;
    }
    layout.write_folder(&file(LAYOUT))?;
    let docker = matches!(shape, Shape::Plain).then_some(name.as_str());
    layout.write_archive(&file("image.tar"), docker)?;
    for (name, bytes) in [("spec.yaml", spec), ("sbom.cdx.json", bill)] {
        fs::write(file(name), bytes).with_context(|| format!("writing {}", file(name).display()))?;
    }
    let (_, written) = layout.image()?;
    let files = [LAYOUT, "image.tar", "spec.yaml", "sbom.cdx.json"];
    Ok(Made {
        plugin: manifest.name.clone(),
        version: manifest.version.clone(),
        tag: tag.to_owned(),
        digest: image.digest,
        size: written.layers.iter().map(|layer| layer.size).sum(),
        files: files.iter().map(|name| workspace.shown(&file(name)).to_path_buf()).collect(),
    })
}

fn print(workspace: &Workspace, made: &[Made]) {
    if made.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = made
        .iter()
        .map(|made| {
            vec![made.plugin.clone(), made.tag.clone(), text::thousands(made.size), made.digest.clone()]
        })
        .collect();
    output::table(&["plug-in", "tag", "size", "digest"], &[2], &rows);
    for file in made.iter().flat_map(|made| &made.files) {
        anstream::println!("{} {}", output::mark(true), workspace.shown(file).display());
    }
}
