//! Builds modules of plug-ins, always with the same flags, so that the same source gives the same bytes, and different
//! commands share the results.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cargo_metadata::Message;

use crate::rules::{self, Rules};
use crate::workspace::REDIS;
use crate::{Error, Notice, Plugin, Result, Workspace};

/// The target that gateways load.
pub const TARGET: &str = "wasm32-wasip1";

/// The stack size of a module. The default of 1 MiB would increase the initial memory of every VM.
const STACK: u32 = 131_072;

/// How a module is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Profile {
    /// For releases.
    #[default]
    Release,
    /// For development: builds quickly, but the module is larger and slower.
    WasmDev,
}

impl Profile {
    fn cargo(self) -> &'static str {
        match self {
            Self::Release => "wasm",
            Self::WasmDev => "wasm-dev",
        }
    }
}

/// The cargo that runs this command, or the one on PATH.
#[must_use]
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A toolchain that is ready to build modules.
#[derive(Debug, Clone)]
pub struct Builder {
    root: PathBuf,
    flags: String,
    ambient: Vec<OsString>,
    /// Environment variables that set cargo's folders.
    folders: Vec<(&'static str, PathBuf)>,
    /// The folders of path dependencies outside of the workspace.
    checkouts: Vec<PathBuf>,
    /// The rules for modules that contain some.
    rules: Option<Rules>,
}

impl Builder {
    /// Installs the target if necessary, and determines the flags.
    ///
    /// # Errors
    ///
    /// The target is missing and cannot be installed.
    pub fn new(workspace: &Workspace) -> Result<Self> {
        require_target(workspace, TARGET)?;
        let ambient: Vec<OsString> = env::vars_os().map(|(name, _)| name).filter(is_ambient).collect();
        for name in &ambient {
            (workspace.notify)(&Notice::IgnoredVariable(name.to_string_lossy().into_owned()));
        }
        Ok(Self {
            flags: flags_in(&workspace.root, &cargo_home()?, &workspace.checkouts())?,
            root: workspace.root.clone(),
            ambient,
            folders: Vec::new(),
            checkouts: workspace.checkouts(),
            rules: None,
        })
    }

    /// Builds modules that contain rules with these, instead of those that the environment or the plug-in has.
    #[must_use]
    pub fn with_rules(self, rules: Option<Rules>) -> Self {
        Self { rules, ..self }
    }

    /// The rules in the module of a plug-in, if they are known.
    #[must_use]
    pub fn rules(&self, plugin: &Plugin) -> Option<&Rules> {
        self.rules.as_ref().filter(|_| Rules::are_in(plugin))
    }

    /// The same in a copy of the workspace, with separate folders for cargo.
    pub(crate) fn elsewhere(&self, root: &Path, cargo_home: &Path, target: &Path) -> Result<Self> {
        Ok(Self {
            flags: flags_in(root, cargo_home, &self.checkouts)?,
            root: root.to_path_buf(),
            checkouts: self.checkouts.clone(),
            ambient: self.ambient.clone(),
            rules: self.rules.clone(),
            folders: vec![
                ("CARGO_HOME", cargo_home.to_path_buf()),
                ("CARGO_TARGET_DIR", target.to_path_buf()),
            ],
        })
    }

    /// Compiles the plug-in's module and returns its path. The compiler's messages go to the error output.
    ///
    /// # Errors
    ///
    /// It does not compile, or the result is not a module.
    pub fn build(&self, plugin: &Plugin, profile: Profile) -> Result<PathBuf> {
        self.build_with(plugin, profile, &[])
    }

    /// The same with the calls to Redis that only Higress and MSE have.
    ///
    /// # Errors
    ///
    /// See [`build`](Self::build).
    pub fn build_with_redis(&self, plugin: &Plugin, profile: Profile) -> Result<PathBuf> {
        self.build_with(plugin, profile, &["--features", REDIS, "--target-dir", "target/higress"])
    }

    /// Modules with other features have a target folder of their own, because cargo gives them the same file.
    fn build_with(&self, plugin: &Plugin, profile: Profile, arguments: &[&str]) -> Result<PathBuf> {
        plugin.has_one_style()?;
        let mut command = cargo();
        command.current_dir(&self.root).args(["rustc", "--locked", "--lib", "--target", TARGET]);
        // Only as a cdylib: with an rlib, cargo omits link-time optimisation.
        command.args(["--crate-type", "cdylib", "--package", &plugin.name, "--profile", profile.cargo()]);
        command.arg("--message-format=json-render-diagnostics").args(arguments);
        for name in &self.ambient {
            command.env_remove(name);
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", &self.flags);
        command.envs(self.folders.iter().map(|(name, folder)| (name, folder)));
        if let Some(rules) = self.rules(plugin) {
            command.env(rules::VARIABLE, &rules.folder);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(Error::start("cargo"))?;
        let mut module = None;
        if let Some(stdout) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(stdout)) {
                if let Message::CompilerArtifact(artifact) =
                    message.map_err(Error::io("reading cargo's messages"))?
                {
                    let own = artifact.manifest_path.as_std_path().parent() == Some(plugin.folder.as_path());
                    let wasm = artifact.filenames.iter().find(|file| file.extension() == Some("wasm"));
                    if let (true, Some(file)) = (own, wasm) {
                        module = Some(file.as_std_path().to_path_buf());
                    }
                }
            }
        }
        if !child.wait().map_err(Error::io("waiting for cargo"))?.success() {
            return Err(Error::Compile { plugin: plugin.name.clone() });
        }
        module.ok_or_else(|| Error::NoModule { cargo_toml: plugin.shown.join("Cargo.toml") })
    }
}

/// Whether a variable would change the bytes of a module.
fn is_ambient(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    matches!(
        name.as_ref(),
        "RUSTFLAGS"
            | "CARGO_ENCODED_RUSTFLAGS"
            | "CARGO_BUILD_RUSTFLAGS"
            | "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS"
            | "CARGO_INCREMENTAL"
    ) || name.starts_with("CARGO_PROFILE_")
}

/// The flags of every module of a workspace.
fn flags_in(root: &Path, cargo_home: &Path, checkouts: &[PathBuf]) -> Result<String> {
    let own =
        [(root.to_path_buf(), "/workspace"), (cargo_home.to_path_buf(), "/cargo"), (sysroot(root)?, "/rust")];
    let others = checkouts.iter().map(|checkout| (checkout.clone(), "/dependency"));
    flags(&own.into_iter().chain(others).collect::<Vec<_>>())
}

/// The flags, in the form of `CARGO_ENCODED_RUSTFLAGS`, which overrides all other
/// sources of flags.
fn flags(folders: &[(PathBuf, &str)]) -> Result<String> {
    // The last matching mapping is used, so the longest path (the innermost folder) is last.
    let mut folders = folders.to_vec();
    folders.sort_by_key(|(folder, _)| folder.as_os_str().len());
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK}")];
    for (folder, name) in folders {
        let folder = folder.to_str().ok_or_else(|| Error::NotUtf8(folder.clone()))?;
        flags.push(format!("--remap-path-prefix={folder}={name}"));
    }
    Ok(flags.join("\u{1f}"))
}

/// Flags for a program of this workspace, in the form of `CARGO_ENCODED_RUSTFLAGS`: without the paths of this machine.
///
/// # Errors
///
/// rustc cannot be started, or a path is not UTF-8.
pub fn remapped(workspace: &Workspace) -> Result<String> {
    let flags = flags_in(&workspace.root, &cargo_home()?, &workspace.checkouts())?;
    let remapping = flags.split('\u{1f}').filter(|flag| flag.starts_with("--remap-path-prefix="));
    Ok(remapping.collect::<Vec<_>>().join("\u{1f}"))
}

/// The folder in which cargo keeps crates.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .ok_or(Error::NoCargoHome)
}

fn sysroot(root: &Path) -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .current_dir(root)
        .args(["--print", "sysroot"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::start(&rustc.to_string_lossy()))?;
    if !output.status.success() {
        return Err(Error::Failed { command: "rustc --print sysroot".into(), output: String::new() });
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Checks that cargo is installed.
///
/// # Errors
///
/// It cannot be started.
pub fn require_cargo() -> Result<()> {
    let status = cargo().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.map(drop).map_err(Error::start("cargo"))
}

/// The target of programs for this machine.
///
/// # Errors
///
/// rustc cannot be started.
pub fn host(workspace: &Workspace) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).current_dir(&workspace.root).arg("-vV").output();
    let output = output.map_err(Error::start(&rustc.to_string_lossy()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let failed = || Error::Failed { command: "rustc -vV".into(), output: "prints no host".into() };
    Ok(host.ok_or_else(failed)?.to_owned())
}

/// The folder of rustc's own libraries for this machine, to which tests of procedural macros are linked.
///
/// # Errors
///
/// rustc cannot be started.
pub fn host_libraries(workspace: &Workspace) -> Result<PathBuf> {
    Ok(sysroot(&workspace.root)?.join("lib"))
}

/// Installs the standard library for a target, if necessary.
///
/// # Errors
///
/// It cannot be installed.
pub fn require_target(workspace: &Workspace, target: &str) -> Result<()> {
    let (root, sysroot) = (&workspace.root, sysroot(&workspace.root)?);
    if sysroot.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(());
    }
    (workspace.notify)(&Notice::InstallingTarget(target));
    let status = Command::new("rustup").current_dir(root).args(["target", "add", target]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Error::Failed { command: format!("rustup target add {target}"), output: String::new() }),
        Err(_) => Err(Error::NoTarget { target: target.to_owned(), sysroot }),
    }
}

/// Reads a module that cargo has built. Another cargo, started at the same time, may just be replacing its link, even if it builds
/// nothing: then there is no such file for a moment.
///
/// # Errors
///
/// The file cannot be read, or is missing for a second.
pub fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    const MOMENT: Duration = Duration::from_millis(20);
    for _ in 0..50 {
        match fs::read(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => thread::sleep(MOMENT),
            result => return result,
        }
    }
    fs::read(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_folder_is_mapped_last() {
        let flags = flags(&[("/w/cargo/home".into(), "/cargo"), ("/w".into(), "/workspace")]).unwrap();
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(
            flags,
            [
                "-Clink-arg=-zstack-size=131072",
                "--remap-path-prefix=/w=/workspace",
                "--remap-path-prefix=/w/cargo/home=/cargo",
            ]
        );
    }

    #[test]
    fn flags_from_outside_are_known() {
        for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO", "CARGO_INCREMENTAL"] {
            assert!(is_ambient(&name.into()), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "CARGO_TARGET_DIR", "RUSTDOCFLAGS"] {
            assert!(!is_ambient(&name.into()), "{name}");
        }
    }
}
