//! `wheel`: the program as a Python wheel, with the catalogue.

#[cfg(feature = "shell")]
mod run;

use std::path::PathBuf;

#[cfg(not(feature = "shell"))]
pub(crate) use crate::heavy::run;
#[cfg(feature = "shell")]
pub(crate) use run::run;

/// Build the wheel portcullis-cli, with a catalogue of the plug-ins of this workspace
///
/// It has the program, the catalogue, shell completions, manual pages, the licenses of third parties and a bill of
/// materials. maturin and zig are installed from PyPI into the target folder. On Linux, zig links against glibc 2.31, so the
/// wheel runs on Debian 11, Ubuntu 20.04 and later.
#[derive(clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// The target of the program. [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// The profile that the program is built with.
    #[arg(long, default_value = "release")]
    profile: String,
    /// The registry and folder that the images of the catalogue are published in.
    #[arg(long, value_name = "oci://…")]
    registry: Option<String>,
    /// The folder for the wheel.
    #[arg(long, value_name = "DIR", default_value = "dist/wheel")]
    out: PathBuf,
}
