//! `pull`: an image from a registry.

use std::path::PathBuf;

use anyhow::Result;

use crate::registry::{self, Access};
use crate::workspace::Workspace;

/// Pull an image from a registry into an OCI layout
///
/// With what is attached to it, such as its bill of materials. Every byte is compared with the digest that it was asked
/// for by. Credentials are those of `docker login` or `podman login`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask pull oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask pull oci://registry.example.com/plugins/request-block@sha256:… image
  cargo xtask verify image                         who takes it")]
pub(crate) struct Args {
    /// The image: oci://HOST/REPOSITORY:TAG, or …@sha256:….
    #[arg(value_name = "oci://…")]
    image: String,
    /// The folder to write the layout into; the repository's last name, if nothing else is said.
    #[arg(value_name = "LAYOUT")]
    layout: Option<PathBuf>,
    /// Leave the module beside it too.
    #[arg(long, value_name = "FILE.wasm")]
    module: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = Workspace::load()?;
    let mut command = vec!["pull".to_owned(), args.image.clone()];
    command.extend(args.layout.iter().map(|layout| layout.display().to_string()));
    if let Some(module) = &args.module {
        command.extend(["--module".to_owned(), module.display().to_string()]);
    }
    command.extend(args.access.arguments());
    registry::run(&workspace, &command)
}
