//! `new`: a plug-in that builds, passes its cases and needs no other edit, in this workspace or in one of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use resource::names;

use crate::output::{self, BOLD, mark, styled};
use crate::{Usage, program, template};

/// Create a plug-in in `plugins/<name>`
///
/// The plug-in sets a header on every request, builds, and passes its cases and lints. No other file needs an edit, because
/// lists of plug-ins come from the folders.
///
/// With `--workspace`, it is the first plug-in of a new workspace: a repository of your own that depends on the SDK, with
/// workflows for CI and releases. All commands for authors work there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask new my-plugin          plugins/my-plugin, then:
  cargo xtask test my-plugin         run its cases natively and in a real Envoy
  cargo xtask build my-plugin        build dist/my-plugin/plugin.wasm
  cargo xtask new --workspace ../my-plugins my-plugin
                                     a workspace in ../my-plugins, with the SDK of this version
  cargo xtask new --workspace ../my-plugins --sdk-path . my-plugin
                                     the same, with the SDK of this checkout")]
pub(crate) struct Args {
    /// Lower-case words with dashes: the name of the folder, the package and the artifact.
    name: String,
    /// Make a workspace of its own in this folder.
    #[arg(long, value_name = "FOLDER")]
    workspace: Option<PathBuf>,
    /// The git repository that the SDK comes from, by the tag `sdk/v<version of this program>`. [default: the repository of
    /// this program]
    #[arg(long, value_name = "URL", requires = "workspace")]
    sdk_git: Option<String>,
    /// A checkout of that repository, used as it is.
    #[arg(long, value_name = "FOLDER", requires = "workspace", conflicts_with = "sdk_git")]
    sdk_path: Option<PathBuf>,
}

/// The packages of the SDK that a plug-in depends on, with their folders in a checkout.
const PACKAGES: [(&str, &str); 3] = [
    ("portcullis-config", "crates/config"),
    ("portcullis-sdk", "crates/sdk"),
    ("portcullis-testkit", "crates/testkit"),
];

/// Names that `use` knows crates by in a new workspace.
const CRATES: [&str; 3] = ["config", "sdk", "testkit"];

/// The host of an address that is reserved for documentation: a build that was not told where it is published.
const NOWHERE: &str = "example.com";

pub(crate) fn run(args: &Args) -> Result<bool> {
    match &args.workspace {
        Some(folder) => in_new_workspace(args, folder),
        None => in_this_workspace(&args.name),
    }
}

fn in_this_workspace(name: &str) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    if workspace.packages.iter().any(|package| package == name) {
        bail!(Usage(format!("duplicate package `{name}` in this workspace: choose another name")));
    }
    names::validate(name, &workspace.crates).map_err(Usage)?;
    if !workspace.root.join("plugins").is_dir() {
        bail!(Usage(format!(
            "{} is not a workspace of plug-ins, because it has no folder `plugins`: change to the folder of one, or create one \
             with `cargo xtask new --workspace <folder> {name}`",
            workspace.root.display()
        )));
    }
    let folder = workspace.root.join("plugins").join(name);
    if folder.exists() {
        bail!(Usage(format!("plugins/{name} already exists: choose another name, or remove the folder")));
    }
    // Outside of plugins/ until it is complete: cargo reads every folder in there.
    let draft = workspace.root.join(format!(".new-{name}-{}", std::process::id()));
    put(&draft, &folder, plugin(name, ""))?;
    if !enter_in_lock_file(&workspace.root, true)? {
        warn_of_lock_file();
    }
    anstream::println!("{} plugins/{name}", mark(true));
    for (path, _) in template::plugin(name) {
        anstream::println!("    {path}");
    }
    next(name);
    Ok(true)
}

fn in_new_workspace(args: &Args, folder: &Path) -> Result<bool> {
    let name = &args.name;
    names::validate(name, &BTreeSet::from(CRATES.map(str::to_owned))).map_err(Usage)?;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(Usage(format!("{} is not empty: name a new folder", folder.display())));
    }
    let source = args.source()?;
    workspace::build::require_cargo()?;
    let files: Vec<(String, String)> = template::workspace(name, |package| source.line(package))
        .map(|(path, text)| (path.to_owned(), text))
        .chain(
            plugin(name, &format!("plugins/{name}/"))
                .map(|(path, text)| (path, text.replace("cargo xtask", "portcullis"))),
        )
        .collect();
    let parent = workspace::package::folder_of(folder);
    fs::create_dir_all(parent).with_context(|| format!("making the folder {}", parent.display()))?;
    if folder.exists() {
        fs::remove_dir(folder).with_context(|| format!("replacing the folder {}", folder.display()))?;
    }
    let draft = parent.join(format!(".new-{name}-{}", std::process::id()));
    let shown: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
    put(&draft, folder, files.into_iter())?;
    if let Source::Path(checkout) = &source {
        // The versions that the SDK is tested with.
        let (from, to) = (checkout.join("Cargo.lock"), folder.join("Cargo.lock"));
        fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    }
    let is_entered = enter_in_lock_file(folder, matches!(source, Source::Path(_)))?;
    match &source {
        Source::Git(url) if !is_entered => {
            fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
            bail!(
                "cargo cannot read the SDK at the tag sdk/v{} of {url}: see above; check the address and the network, or name \
                 a checkout with `--sdk-path <checkout>`",
                template::VERSION
            );
        }
        Source::Path(_) if !is_entered => warn_of_lock_file(),
        _ => {}
    }
    anstream::println!("{} {}", mark(true), folder.display());
    for path in shown {
        anstream::println!("    {path}");
    }
    anstream::println!("Next:");
    anstream::println!("    {}", styled(BOLD, format_args!("cd {}", folder.display())));
    next(name);
    Ok(true)
}

/// Where the SDK comes from.
enum Source {
    Git(String),
    Path(PathBuf),
}

impl Source {
    /// The place of a package, in a manifest.
    fn line(&self, package: &str) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Git(url) => format!("git = {}, tag = \"sdk/v{}\"", quoted(url), template::VERSION),
            Self::Path(checkout) => {
                let folder =
                    PACKAGES.iter().find(|(name, _)| *name == package).map_or("", |(_, folder)| *folder);
                format!("path = {}", quoted(&checkout.join(folder).to_string_lossy()))
            }
        }
    }
}

impl Args {
    fn source(&self) -> Result<Source> {
        if let Some(checkout) = &self.sdk_path {
            let missing = |_| {
                Usage(format!(
                    "{} is not a checkout of the SDK's repository: it has no crates/sdk",
                    checkout.display()
                ))
            };
            checkout.join("crates/sdk/Cargo.toml").canonicalize().map_err(missing)?;
            let checkout =
                checkout.canonicalize().with_context(|| format!("finding {}", checkout.display()))?;
            return Ok(Source::Path(checkout));
        }
        if let Some(url) = &self.sdk_git {
            return Ok(Source::Git(url.clone()));
        }
        let published = env!("CARGO_PKG_REPOSITORY");
        if published.is_empty() || published.contains(NOWHERE) {
            bail!(Usage(
                "this build has no public repository to take the SDK from: add `--sdk-git <url>`, or `--sdk-path \
                 <checkout>`"
                    .into()
            ));
        }
        Ok(Source::Git(published.into()))
    }
}

/// The files of a plug-in in a folder, with the name that the reader can type.
fn plugin(name: &str, folder: &str) -> impl Iterator<Item = (String, String)> {
    let folder = folder.to_owned();
    template::plugin(name)
        .map(move |(path, text)| (format!("{folder}{path}"), program::text(&text).into_owned()))
}

/// Writes files into a draft, and moves it into place once all are there.
fn put(draft: &Path, folder: &Path, files: impl Iterator<Item = (String, String)>) -> Result<()> {
    let result = write(draft, files).and_then(|()| {
        fs::rename(draft, folder).with_context(|| format!("moving the new folder to {}", folder.display()))
    });
    if result.is_err() {
        // Errors of the cleanup are ignored in favour of the error below.
        let _ = fs::remove_dir_all(draft);
    }
    result
}

fn write(draft: &Path, files: impl Iterator<Item = (String, String)>) -> Result<()> {
    for (path, text) in files {
        let file = draft.join(path);
        let folder = file.parent().unwrap_or(draft);
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

fn next(name: &str) {
    for (command, why) in [
        ("test", "runs tests/cases.yaml natively and in a real Envoy"),
        ("build", "leaves the module in dist/"),
        ("lint", "checks formatting, lints, documentation and plugin.yaml"),
    ] {
        // Aligned to the longest.
        let command = format!("cargo xtask {:<width$}", format!("{command} {name}"), width = name.len() + 6);
        anstream::println!("    {}  {why}", styled(BOLD, program::text(&command)));
    }
}

/// Adds the new package to Cargo.lock. Returns false if cargo cannot, after it has printed why.
fn enter_in_lock_file(root: &Path, offline: bool) -> Result<bool> {
    let mut cargo = workspace::build::cargo();
    cargo.current_dir(root).args(["update", "--workspace", "--quiet"]);
    if offline {
        cargo.arg("--offline");
    }
    Ok(cargo.status().context("cargo cannot be started")?.success())
}

fn warn_of_lock_file() {
    output::warning("Cargo.lock does not have the new package yet: run `cargo update --workspace`");
}
