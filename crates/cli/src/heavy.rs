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

use crate::program::{self, Program};
use crate::{full, output};

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
    // Building a feature for the first time takes as long as building the program.
    let quiet = features.is_empty() && full_program().is_some_and(|program| program.is_file());
    if !quiet {
        output::step("building the full program, which takes a few minutes the first time");
    }
    let mut command = Command::new(full::build(features, quiet)?);
    command.args(env::args_os().skip(1)).env(program::RUN_AS, Program::Xtask.name());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(command.exec()).context("starting the full program")
    }
    #[cfg(not(unix))]
    {
        let status = command.status().context("starting the full program")?;
        std::process::exit(status.code().unwrap_or(1))
    }
}

/// Returns the path where cargo places the program: next to this one.
fn full_program() -> Option<PathBuf> {
    let file = format!("{}{}", Program::Portcullis.name(), env::consts::EXE_SUFFIX);
    Some(env::current_exe().ok()?.with_file_name(file))
}
