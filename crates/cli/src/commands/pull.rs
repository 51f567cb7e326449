//! `pull`: pulls an image from a registry.

#[cfg(feature = "registry")]
mod run;

use std::path::PathBuf;

use crate::registry::Access;

#[cfg(not(feature = "registry"))]
pub(crate) use crate::heavy::run;
#[cfg(feature = "registry")]
pub(crate) use run::run;

/// Pull an image from a registry into an OCI layout
///
/// Artifacts attached to the image, such as its bill of materials, are pulled too. Everything is compared with its digest.
/// Credentials are those of `docker login` or `podman login`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask pull oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask pull oci://registry.example.com/plugins/request-block@sha256:… image
  cargo xtask verify image                         which gateways accept it")]
pub(crate) struct Args {
    /// The image: oci://HOST/REPOSITORY:TAG, or …@sha256:….
    #[arg(value_name = "oci://…")]
    image: String,
    /// The folder to write the layout to. [default: the last component of the repository]
    #[arg(value_name = "LAYOUT")]
    layout: Option<PathBuf>,
    /// Write the module to this file as well.
    #[arg(long, value_name = "FILE.wasm")]
    module: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}
