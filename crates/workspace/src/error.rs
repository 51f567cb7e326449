//! Errors of operations on a workspace.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use resource::ManifestError;

/// The result of an operation on a workspace.
pub type Result<T> = std::result::Result<T, Error>;

/// An operation on a workspace failed. The message ends with the remedy.
#[derive(Debug)]
pub enum Error {
    /// No plug-in has this name.
    UnknownPlugin {
        /// The name.
        name: String,
        /// The plug-in with the nearest name.
        near: Option<String>,
        /// The plug-ins that exist.
        known: Vec<String>,
    },
    /// A package under `plugins/` has no `plugin.yaml`.
    Unfinished {
        /// The package.
        name: String,
        /// The missing file.
        manifest: PathBuf,
    },
    /// A plug-in has a dependency in addition to the SDK that exports a second set of callbacks.
    TwoStyles {
        /// The plug-in's `Cargo.toml`.
        cargo_toml: PathBuf,
        /// The dependency.
        dependency: &'static str,
    },
    /// A `plugin.yaml` is rejected.
    Manifest(ManifestError),
    /// A folder is not in a cargo workspace.
    NoWorkspace(PathBuf),
    /// `cargo metadata` failed.
    Metadata(cargo_metadata::Error),
    /// A program cannot be started.
    Start {
        /// The program.
        program: String,
        /// The reason.
        source: io::Error,
    },
    /// A program exited with an error.
    Failed {
        /// The command line.
        command: String,
        /// The program's error output, if it was captured.
        output: String,
    },
    /// A plug-in does not compile; the compiler's messages are on the error output.
    Compile {
        /// The plug-in.
        plugin: String,
    },
    /// A plug-in does not compile to a module.
    NoModule {
        /// The plug-in's `Cargo.toml`.
        cargo_toml: PathBuf,
    },
    /// The standard library for a target is not installed, and rustup is not available to install it.
    NoTarget {
        /// The target.
        target: String,
        /// The folder in which rustc looks for targets.
        sysroot: PathBuf,
    },
    /// rustc's flags have to be UTF-8.
    NotUtf8(PathBuf),
    /// Neither `CARGO_HOME` nor `HOME` is set.
    NoCargoHome,
    /// A file or folder cannot be read or written.
    Io {
        /// The operation, such as `reading plugins/x/README.md`.
        operation: String,
        /// The reason.
        source: io::Error,
    },
    /// A plug-in has no schema for its configuration.
    NoSchema {
        /// The plug-in.
        plugin: String,
    },
    /// The helper of a plug-in exited unexpectedly.
    Describe {
        /// The plug-in.
        plugin: String,
        /// The reason.
        reason: String,
    },
    /// A plug-in rejects the example of its `plugin.yaml`.
    Example {
        /// The `plugin.yaml`.
        manifest: PathBuf,
        /// The field and the reason.
        refusal: String,
    },
    /// An image cannot be created.
    Image(anyhow::Error),
    /// A module's ABI version cannot be changed.
    Abi {
        /// The plug-in.
        plugin: String,
        /// The reason.
        reason: String,
    },
}

impl Error {
    /// Whether the request itself was wrong: a name that does not exist, or another folder.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownPlugin { .. } | Self::Unfinished { .. } | Self::NoWorkspace(_))
    }

    /// For `map_err`: a file operation that failed.
    pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Io { operation, source }
    }

    /// For `map_err`: a file that cannot be read.
    pub(crate) fn reading(file: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("reading {}", file.display()))
    }

    /// For `map_err`: a program that cannot be started.
    pub(crate) fn start(program: &str) -> impl FnOnce(io::Error) -> Self {
        let program = program.to_owned();
        move |source| Self::Start { program, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPlugin { name, near, known } => {
                write!(f, "there is no plug-in `{name}`: ")?;
                match near {
                    Some(near) => write!(f, "did you mean `{near}`?")?,
                    None => f.write_str("`cargo xtask new` starts one")?,
                }
                let list = if known.is_empty() { "none yet".into() } else { known.join(", ") };
                write!(f, " (plug-ins here: {list})")
            }
            Self::Unfinished { name, manifest } => write!(
                f,
                "`{name}` is not a plug-in yet: write {}, as `cargo xtask new` does for a new plug-in",
                manifest.display()
            ),
            Self::TwoStyles { cargo_toml, dependency } => write!(
                f,
                "{}: depends on {dependency} in addition to the SDK, but a module has one set of callbacks: remove \
                 {dependency} and use `#[plugin]`, or remove the SDK, depend on higress-wasm-rust and implement \
                 RootContext and HttpContext",
                cargo_toml.display()
            ),
            Self::Manifest(error) => error.fmt(f),
            Self::Metadata(cargo_metadata::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("this command needs cargo: install Rust from https://rustup.rs")
            }
            Self::NoWorkspace(folder) => write!(
                f,
                "{} is not in a workspace of plug-ins: change to the folder of one, or create one with `cargo xtask new \
                 --workspace <folder> <plug-in>`",
                folder.display()
            ),
            Self::Metadata(_) => {
                f.write_str("cargo cannot read this workspace: fix the error that cargo reports")
            }
            Self::Start { program, .. } => match program.as_str() {
                "git" => f.write_str("git cannot be started: install git"),
                "cargo" => f.write_str("this command needs cargo: install Rust from https://rustup.rs"),
                other => write!(f, "{other} cannot be started: install Rust from https://rustup.rs"),
            },
            Self::Failed { command, output } if output.is_empty() => {
                write!(f, "`{command}` failed: see above")
            }
            Self::Failed { command, output } => write!(f, "{command}: {output}"),
            Self::Compile { plugin } => {
                write!(f, "{plugin} does not compile: fix the compiler's errors above")
            }
            Self::NoModule { cargo_toml } => write!(
                f,
                "{}: cargo built no module: write `crate-type = [\"cdylib\", \"rlib\"]` under [lib]",
                cargo_toml.display()
            ),
            Self::NoTarget { target, sysroot } => write!(
                f,
                "the target {target} is not in {}, and there is no rustup to install it: install Rust from \
                 https://rustup.rs, or your distribution's standard library for {target}",
                sysroot.display()
            ),
            Self::NotUtf8(path) => {
                write!(f, "{} is not UTF-8, and rustc's flags have to be: move it", path.display())
            }
            Self::NoCargoHome => {
                f.write_str("neither CARGO_HOME nor HOME is set: set one of them: cargo keeps crates there")
            }
            Self::Io { operation, .. } => f.write_str(operation),
            Self::NoSchema { plugin } => write!(
                f,
                "{plugin} does not describe its configuration: write `#[configuration]` in place of \
                 `#[derive(Deserialize)]` before the types of its fields"
            ),
            Self::Describe { plugin, reason } => {
                write!(
                    f,
                    "{plugin} did not describe its configuration: {reason}; this is a bug in the plug-in"
                )
            }
            Self::Example { manifest, refusal } => {
                write!(f, "{}: example: rejected by the plug-in: {refusal}", manifest.display())
            }
            Self::Image(_) => f.write_str("the image cannot be created"),
            Self::Abi { plugin, reason } => write!(f, "{plugin}: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The message says it all.
            Self::Metadata(cargo_metadata::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                None
            }
            Self::Metadata(error) => Some(error),
            Self::Start { source, .. } | Self::Io { source, .. } => Some(source),
            Self::Image(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}
