//! The program `portcullis` with every command, built from this repository.

use std::path::PathBuf;

use anyhow::{Result, bail};
use workspace::{Error, build, generated};

/// The feature with the console, which is not one of the defaults.
pub(crate) const CONSOLE: &str = "console";

/// Builds the program with these features besides the defaults, and returns its path. `quiet` hides cargo's progress.
///
/// The whole workspace is selected, so that dependencies have the features that they have in the tests, and are compiled once
/// for both.
pub(crate) fn build(features: &[&str], quiet: bool) -> Result<PathBuf> {
    let mut cargo = build::cargo();
    cargo.args(["build", "--locked", "--workspace", "--bin", "portcullis"]);
    cargo.args(["--message-format=json-render-diagnostics", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    for feature in features {
        cargo.args(["--features", &format!("{}/{feature}", env!("CARGO_PKG_NAME"))]);
    }
    if quiet {
        cargo.arg("--quiet");
    }
    match generated::executable(cargo) {
        Err(Error::Failed { .. }) => {
            bail!("the full program does not compile: fix the compiler's errors above")
        }
        program => Ok(program?),
    }
}
