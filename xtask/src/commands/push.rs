//! `push`: an image into a registry.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::commands::build::Flavour;
use crate::commands::package;
use crate::registry::{self, Access};
use crate::workspace::Workspace;

/// Push an image to a registry
///
/// A plug-in of this workspace is built and packaged first. What the registry has already is not sent again, so that a
/// push that broke off goes on where it was. Afterwards everything is pulled back and compared. A tag that means another
/// image is refused. Credentials are those of `docker login` or `podman login`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask push request-block oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask push dist/request-block/image.tar oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask push request-block oci://127.0.0.1:5000/request-block:1.0.0 --plain-http

Prints the image with its digest, which a deployment names; the digest is left in dist/<plugin>/image.digest too.
Exit codes: 0 the image is there and is the same, 1 it is not, 2 the command was wrong.")]
pub(crate) struct Args {
    /// A plug-in of this workspace, or a layout's folder or archive.
    #[arg(value_name = "PLUGIN|LAYOUT")]
    what: String,
    /// Where to: oci://HOST/REPOSITORY:TAG.
    #[arg(value_name = "oci://…")]
    image: String,
    /// The gateway that a plug-in of this workspace is built for; see `cargo xtask build --help`.
    #[arg(long, value_enum, default_value = "any")]
    gateway: Flavour,
    /// Let a tag that means another image mean this one.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    access: Access,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = Workspace::load()?;
    let path = Path::new(&args.what);
    let layout = match path.exists() {
        true => PathBuf::from(path),
        false => match package::for_push(&workspace, &args.what, args.gateway)? {
            Some(layout) => layout,
            None => return Ok(false),
        },
    };
    let mut command = vec!["push".to_owned(), layout.display().to_string(), args.image.clone()];
    command.extend(args.access.arguments());
    for (flag, wanted) in [("--overwrite", args.overwrite), ("--json", args.json)] {
        command.extend(wanted.then(|| flag.to_owned()));
    }
    registry::run(&workspace, &command)
}
