//! Programs and files of Debian's packages for tests: those of this machine, or else the packages, fetched into the target
//! folder once and without being root.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Error, Result};

/// A program that can be started, with the libraries that were fetched for it. Its package is called like it.
///
/// # Errors
///
/// It is not installed, and its package cannot be fetched; the message has the command that installs it.
pub fn program(name: &str) -> Result<Command> {
    if on_path(name) {
        return Ok(Command::new(name));
    }
    let root = package(name)?;
    let mut command = Command::new(root.join("usr/bin").join(name));
    let libraries = ["usr/lib", "lib"].map(|folder| root.join(folder).join("x86_64-linux-gnu"));
    command.env("LD_LIBRARY_PATH", env::join_paths(libraries)?);
    Ok(command)
}

/// Whether a program is on the `PATH`.
#[must_use]
pub fn on_path(name: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
}

/// Unpacks a package, with whatever packages it needs and this machine lacks, and returns the folder in place of `/`.
///
/// # Errors
///
/// It cannot be fetched; the message has the command that installs it.
pub fn package(name: &str) -> Result<PathBuf> {
    or_install(name, gateway::debian::package(name))
}

/// The OWASP Core Rule Set of Debian, laid out like a release.
///
/// # Errors
///
/// It cannot be fetched; the message has the command that installs it.
pub fn core_rule_set() -> Result<PathBuf> {
    or_install("modsecurity-crs", gateway::debian::core_rule_set())
}

fn or_install(name: &str, result: Result<PathBuf, String>) -> Result<PathBuf> {
    result.map_err(|error| {
        Error::msg(error).context(format!("install what the tests need: sudo apt-get install {name}"))
    })
}
