//! The folder for fetched files: cargo's target folder in a workspace, and elsewhere the user's cache.

use std::env;
use std::path::{Path, PathBuf};

use crate::{Envoy, EnvoyError};

/// The folder in which Envoy, modules and images are kept once they were fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cache {
    /// Cargo's target folder. The pinned Envoy is used, whatever else this machine has.
    Target(PathBuf),
    /// A folder of the user, `~/.cache/portcullis`.
    User(PathBuf),
}

impl Cache {
    /// The user's cache: in `XDG_CACHE_HOME` if that is set to an absolute path, or else in `~/.cache`.
    ///
    /// # Errors
    ///
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub fn user() -> Result<Self, EnvoyError> {
        let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        base.map(|base| Self::User(base.join("portcullis"))).ok_or(EnvoyError::NoCache)
    }

    /// The folder for files of `serve` and `request`.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        match self {
            Self::Target(target) => target.join("serve"),
            Self::User(folder) => folder.clone(),
        }
    }

    /// The Envoy to run. In a target folder as [`Envoy::find`], and otherwise as [`Envoy::installed`].
    ///
    /// # Errors
    ///
    /// There is none, and it cannot be fetched.
    pub fn envoy(&self) -> Result<Envoy, EnvoyError> {
        match self {
            Self::Target(target) => Envoy::find(target),
            Self::User(folder) => Envoy::installed(folder),
        }
    }

    /// The path of the folder that the variant names.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Target(path) | Self::User(path) => path,
        }
    }
}
