//! Commands whose dependencies are slow to compile: HTTP and TLS, the embedded engine, the test kit.
//!
//! Each group is a feature of this crate, and all are enabled by default. `cargo xtask` is built without them, to keep the
//! first build short. For a command that needs a group, it replaces itself with `portcullis`, which has all of them, and
//! passes the arguments unchanged. Nothing may be printed or read from stdin before that. The full program does not contain
//! this module.
//!
//! Arguments are declared in every build, so `--help` is always the same. The implementations are not:
//!
//! ```ignore
//! #[cfg(feature = "registry")]
//! mod run;
//! #[cfg(feature = "registry")]
//! pub(crate) use run::run;
//! #[cfg(not(feature = "registry"))]
//! pub(crate) use crate::heavy::run;
//! ```

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::output;
use crate::program::{self, Program};

/// The package of this crate and its program.
const PACKAGE: &str = "portcullis-cli";

/// Runs the command of this process in the full program. `args` are unused, because the arguments of the process are passed.
pub(crate) fn run<A>(_args: &A) -> Result<bool> {
    replace()
}

/// Replaces this process with the full program, after building it if necessary. Returns only on errors.
pub(crate) fn replace<T>() -> Result<T> {
    replace_with(&[])
}

/// The same with the full program and these features of its package, which no other command needs.
pub(crate) fn replace_with<T>(features: &[&str]) -> Result<T> {
    let mut command = command(features);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(command.exec()).context("starting cargo")
    }
    #[cfg(not(unix))]
    {
        let status = command.status().context("starting cargo")?;
        std::process::exit(status.code().unwrap_or(1))
    }
}

fn command(features: &[&str]) -> Command {
    let mut cargo = workspace::build::cargo();
    cargo.args(["run", "--locked", "--package", PACKAGE, "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    for feature in features {
        cargo.args(["--features", feature]);
    }
    // Building a feature for the first time takes as long as building the program.
    if features.is_empty() && full_program().is_some_and(|program| program.is_file()) {
        cargo.arg("--quiet");
    } else {
        output::step("building the full program, which takes a few minutes the first time");
    }
    cargo.arg("--").args(env::args_os().skip(1));
    cargo.env(program::RUN_AS, Program::Xtask.name());
    cargo
}

/// Returns the path where cargo places the program: next to this one.
fn full_program() -> Option<PathBuf> {
    let file = format!("{}{}", Program::Portcullis.name(), env::consts::EXE_SUFFIX);
    Some(env::current_exe().ok()?.with_file_name(file))
}
