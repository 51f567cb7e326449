//! `push`: pushes an image to a registry.

#[cfg(feature = "registry")]
mod run;

use workspace::dist::Flavour;

use crate::registry::Access;

#[cfg(not(feature = "registry"))]
pub(crate) use crate::heavy::run;
#[cfg(feature = "registry")]
pub(crate) use run::run;

/// Push an image to a registry
///
/// A plug-in of this workspace is built and packaged first. Without a tag, its version is the tag. Blobs that the registry
/// already has are not sent again, so an interrupted push can be repeated. Afterwards everything is pulled back and
/// compared. Refused: a tag that refers to another image, an image that `cargo xtask verify` finds no consumer for, and
/// one made from uncommitted files. Credentials are those of `docker login` or `podman login`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask push request-block oci://registry.example.com/plugins/request-block
                                              under the plug-in's version
  cargo xtask push dist/request-block/image.tar oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask push request-block oci://127.0.0.1:5000/request-block:1.0.0 --plain-http

Prints the image with its digest, for use in a deployment. The digest is also written to dist/<plugin>/image.digest.
Exit codes: 0 pushed and compared, 1 failed, 2 usage error.")]
pub(crate) struct Args {
    /// A plug-in of this workspace, or the folder or archive of a layout.
    #[arg(value_name = "PLUGIN|LAYOUT")]
    what: String,
    /// The destination: oci://HOST/REPOSITORY:TAG. Without a tag, the version is the tag.
    #[arg(value_name = "oci://…")]
    image: String,
    /// The gateway that a plug-in of this workspace is built for; see `cargo xtask build --help`.
    #[arg(long, value_enum, default_value = "any")]
    gateway: Flavour,
    /// Move a tag that refers to another image.
    #[arg(long)]
    overwrite: bool,
    /// Push an image that was made from new or changed files.
    #[arg(long)]
    allow_dirty: bool,
    #[command(flatten)]
    access: Access,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}
