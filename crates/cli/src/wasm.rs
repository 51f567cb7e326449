//! Turns a plug-in into a module: always with the same flags, so that the same source gives the same bytes and
//! nothing is compiled twice by commands that take turns.

use std::env;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::output;
use crate::workspace::{Plugin, Workspace};

/// The target that gateways load.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// Bytes of stack in a module. The default of 1 MiB would be the first memory of every VM.
const STACK: u32 = 131_072;

/// How a module is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// What is shipped.
    Release,
    /// Quick to build while editing; larger and slower, not for shipping.
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

/// The cargo that runs this very command.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A tool chain that is ready to build modules.
pub(crate) struct Builder {
    root: PathBuf,
    flags: String,
    ambient: Vec<OsString>,
    /// What makes cargo work with other folders than its own.
    folders: Vec<(&'static str, PathBuf)>,
}

impl Builder {
    /// Sees to the target and settles the flags.
    pub(crate) fn new(workspace: &Workspace) -> Result<Self> {
        require_target(workspace)?;
        let ambient: Vec<OsString> = env::vars_os().map(|(name, _)| name).filter(is_ambient).collect();
        for name in &ambient {
            output::warning(format_args!(
                "{} is set and ignored for modules, which are built with the same flags everywhere",
                name.display()
            ));
        }
        Ok(Self {
            flags: flags_in(&workspace.root, &cargo_home()?)?,
            root: workspace.root.clone(),
            ambient,
            folders: Vec::new(),
        })
    }

    /// The same in a copy of the workspace, with folders of its own for cargo.
    pub(crate) fn elsewhere(&self, root: &Path, cargo_home: &Path, target: &Path) -> Result<Self> {
        Ok(Self {
            flags: flags_in(root, cargo_home)?,
            root: root.to_path_buf(),
            ambient: self.ambient.clone(),
            folders: vec![
                ("CARGO_HOME", cargo_home.to_path_buf()),
                ("CARGO_TARGET_DIR", target.to_path_buf()),
            ],
        })
    }

    /// Builds the plug-in's module and says where cargo put it.
    pub(crate) fn build(&self, plugin: &Plugin, profile: Profile) -> Result<PathBuf> {
        plugin.has_one_style()?;
        let mut command = cargo();
        command.current_dir(&self.root).args(["rustc", "--locked", "--lib", "--target", TARGET]);
        // As a cdylib alone: beside an rlib cargo leaves link-time optimisation out.
        command.args(["--crate-type", "cdylib", "--package", &plugin.name, "--profile", profile.cargo()]);
        command.arg("--message-format=json-render-diagnostics");
        for name in &self.ambient {
            command.env_remove(name);
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", &self.flags);
        command.envs(self.folders.iter().map(|(name, folder)| (name, folder)));
        let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
        let mut module = None;
        if let Some(stdout) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(stdout)) {
                if let Message::CompilerArtifact(artifact) = message.context("reading cargo's messages")? {
                    let own = artifact.manifest_path.as_std_path().parent() == Some(plugin.folder.as_path());
                    let wasm = artifact.filenames.iter().find(|file| file.extension() == Some("wasm"));
                    if let (true, Some(file)) = (own, wasm) {
                        module = Some(file.as_std_path().to_path_buf());
                    }
                }
            }
        }
        if !child.wait().context("waiting for cargo")?.success() {
            bail!("{} does not compile: repair what the compiler says above", plugin.name);
        }
        module.with_context(|| {
            format!(
                "{}: cargo built no module: write `crate-type = [\"cdylib\", \"rlib\"]` under [lib]",
                plugin.shown.join("Cargo.toml").display()
            )
        })
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
fn flags_in(root: &Path, cargo_home: &Path) -> Result<String> {
    flags(&[
        (root.to_path_buf(), "/workspace"),
        (cargo_home.to_path_buf(), "/cargo"),
        (sysroot(root)?, "/rust"),
    ])
}

/// The flags, in the form of `CARGO_ENCODED_RUSTFLAGS`, which wins over all other places
/// that flags come from.
fn flags(folders: &[(PathBuf, &str)]) -> Result<String> {
    // The last mapping that fits wins, so the longest path (the innermost folder) comes last.
    let mut folders = folders.to_vec();
    folders.sort_by_key(|(folder, _)| folder.as_os_str().len());
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK}")];
    for (folder, name) in folders {
        let folder = folder.to_str().with_context(|| {
            format!("{} is not UTF-8, and rustc's flags have to be: move it", folder.display())
        })?;
        flags.push(format!("--remap-path-prefix={folder}={name}"));
    }
    Ok(flags.join("\u{1f}"))
}

/// Where cargo keeps crates.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set: set one, cargo keeps crates there")
}

fn sysroot(root: &Path) -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .current_dir(root)
        .args(["--print", "sysroot"])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| {
            format!("{} cannot be started: install Rust from https://rustup.rs", rustc.display())
        })?;
    if !output.status.success() {
        bail!("`rustc --print sysroot` failed: see above; the tool chain is named in rust-toolchain.toml");
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Where rustc's own libraries for this machine are, which tests of procedural macros link to.
pub(crate) fn host_libraries(workspace: &Workspace) -> Result<PathBuf> {
    Ok(sysroot(&workspace.root)?.join("lib"))
}

/// Installs the target that gateways load, where it is missing.
pub(crate) fn require_target(workspace: &Workspace) -> Result<()> {
    let (root, sysroot) = (&workspace.root, sysroot(&workspace.root)?);
    if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    output::step(format_args!("{TARGET} is not installed: rustup target add {TARGET}"));
    let status = Command::new("rustup").current_dir(root).args(["target", "add", TARGET]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            bail!("rustup could not add {TARGET}: see above, and run `rustup target add {TARGET}` again")
        }
        Err(_) => bail!(
            "the target {TARGET} is not in {}, and there is no rustup to install it: install Rust from \
             https://rustup.rs, or your distribution's standard library for {TARGET}",
            sysroot.display()
        ),
    }
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
