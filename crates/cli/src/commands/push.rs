//! `push`: an image into a registry.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use oci::{Layout, Reader};

use crate::Usage;
use crate::commands::build::Flavour;
use crate::commands::package;
use crate::destination::{Destination, check_tag};
use crate::git::listed;
use crate::image::{Consumer, verdicts};
use crate::output::warning;
use crate::package::{DIRTY, Tree};
use crate::registry::{self, Access};
use crate::workspace::Workspace;

/// Push an image to a registry
///
/// A plug-in of this workspace is built and packaged first, and has its version as its tag if none is given. What the
/// registry has already is not sent again, so that an interrupted push is continued. Afterwards everything is pulled back
/// and compared. Refused: a tag that means another image, an image that `cargo xtask verify` finds no consumer for, and
/// one made from files that are not committed. Credentials are those of `docker login` or `podman login`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask push request-block oci://registry.example.com/plugins/request-block
                                              under the plug-in's version
  cargo xtask push dist/request-block/image.tar oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask push request-block oci://127.0.0.1:5000/request-block:1.0.0 --plain-http

Prints the image with its digest, which a deployment names; the digest is left in dist/<plugin>/image.digest too.
Exit codes: 0 the image is there and is the same, 1 it is not, 2 the command was wrong.")]
pub(crate) struct Args {
    /// A plug-in of this workspace, or a layout's folder or archive.
    #[arg(value_name = "PLUGIN|LAYOUT")]
    what: String,
    /// Where to: oci://HOST/REPOSITORY:TAG, or without a tag, which then is the version.
    #[arg(value_name = "oci://…")]
    image: String,
    /// The gateway that a plug-in of this workspace is built for; see `cargo xtask build --help`.
    #[arg(long, value_enum, default_value = "any")]
    gateway: Flavour,
    /// Let a tag that means another image mean this one.
    #[arg(long)]
    overwrite: bool,
    /// Push what was made from files that are new or changed since the last commit.
    #[arg(long)]
    allow_dirty: bool,
    #[command(flatten)]
    access: Access,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let destination = Destination::parse(&args.image)?;
    let workspace = Workspace::load()?;
    let path = Path::new(&args.what);
    // A folder may well be called like a plug-in.
    let is_layout =
        path.exists() && (workspace.plugin(&args.what).is_err() || path.join("oci-layout").exists());
    let file = match is_layout {
        true => PathBuf::from(path),
        false => {
            let plugin = workspace.plugin(&args.what)?;
            if !args.allow_dirty
                && let Tree::Changed(files) = Tree::of(&workspace.root)?
            {
                bail!(dirty(&format!(": {}", listed(&files))));
            }
            match package::for_push(&workspace, &plugin.name, args.gateway)? {
                Some(layout) => layout,
                None => return Ok(false),
            }
        }
    };
    let layout = Layout::read(&file)?;
    let top = layout.top()?;
    let manifest = Reader::Any.image(&layout, top)?.manifest;
    let verdicts = verdicts(&layout, top, false);
    // What `docker load` accepts need not have a module at all.
    if !verdicts.iter().any(|verdict| verdict.takes && verdict.consumer != Consumer::Docker) {
        let reasons = verdicts.first().into_iter().flat_map(|verdict| &verdict.rules).filter(|rule| !rule.ok);
        let reasons: Vec<String> = reasons.map(|rule| format!("{}: {}", rule.rule, rule.detail)).collect();
        bail!(
            "{} is accepted by no gateway: {}; `cargo xtask verify {0}` has the details",
            file.display(),
            reasons.join("; ")
        );
    }
    if !args.allow_dirty && manifest.annotations.contains_key(DIRTY) {
        bail!(dirty(""));
    }
    let annotation = |name: &str| manifest.annotations.get(&format!("org.opencontainers.image.{name}"));
    let version = annotation("version");
    let tag = destination.tag.as_ref().or(version).or(top.annotations.get(oci::REF_NAME));
    let Some(tag) = tag else {
        bail!(Usage(format!(
            "{} has no version: write the tag too, as in {}",
            file.display(),
            destination.with_tag("1.0.0")
        )));
    };
    check_tag(tag)?;
    if let Some(version) = version
        && looks_like_version(tag)
        && tag.trim_start_matches('v') != version
    {
        warning(format_args!("the tag is {tag}, and the image is of version {version}"));
    }
    if let Some(title) = annotation("title")
        && title != destination.name()
    {
        warning(format_args!("the repository is called {}, and the image is of {title}", destination.name()));
    }
    let mut command = vec!["push".to_owned(), file.display().to_string(), destination.with_tag(tag)];
    command.extend(args.access.arguments());
    for (flag, wanted) in [("--overwrite", args.overwrite), ("--json", args.json)] {
        command.extend(wanted.then(|| flag.to_owned()));
    }
    registry::run(&workspace, &command)
}

/// Why an image is not pushed that nobody else could build.
fn dirty(files: &str) -> Usage {
    Usage(format!(
        "the image would not be one of a commit, because of files that are new or changed{files}: commit them, or push \
         with --allow-dirty"
    ))
}

/// Whether a tag names a version, and not a channel such as `latest`.
fn looks_like_version(tag: &str) -> bool {
    let numbers = tag.trim_start_matches('v');
    numbers.starts_with(|c: char| c.is_ascii_digit()) && numbers.contains('.')
}
