//! Small crates in the target folder that are linked with plug-ins, to run their Rust code natively.
//!
//! Each is a separate workspace that is not in any list, and has the versions of this workspace.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::Message;
use serde_json::Value;

use crate::{Error, Plugin, Result, Workspace};

/// A path in a manifest.
///
/// # Errors
///
/// The path is not UTF-8.
pub fn quoted(path: &Path) -> Result<String> {
    let path = path.to_str().ok_or_else(|| Error::NotUtf8(path.to_path_buf()))?;
    Ok(Value::from(path).to_string())
}

/// Writes a crate with plug-ins as its dependencies, each by the name before it; `rest` follows those lines of its manifest.
/// Unchanged files keep their times, by which cargo detects changes.
///
/// # Errors
///
/// A file cannot be written.
pub fn write(
    folder: &Path,
    workspace: &Workspace,
    plugins: &[(&str, &Plugin)],
    package: &str,
    rest: &str,
    program: &str,
) -> Result<()> {
    let mut dependencies = String::new();
    for (name, plugin) in plugins {
        let (package, folder) = (&plugin.name, quoted(&plugin.folder)?);
        dependencies += &format!("{name} = {{ package = \"{package}\", path = {folder} }}\n");
    }
    let manifest = format!(
        "\
[package]
name = \"{package}\"
edition = \"2024\"
publish = false

[[bin]]
name = \"{package}\"
path = \"main.rs\"

[workspace]
resolver = \"3\"

[dependencies]
{dependencies}{rest}"
    );
    fs::create_dir_all(folder).map_err(Error::io(format!("making the folder {}", folder.display())))?;
    put(&folder.join("Cargo.toml"), &manifest)?;
    put(&folder.join("main.rs"), program)?;
    // Cargo removes unneeded entries from its copy of the lock file, so another copy is kept to detect changes of the
    // workspace's.
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).unwrap_or_default();
    if put(&folder.join("workspace.lock"), &lock)? {
        put(&folder.join("Cargo.lock"), &lock)?;
    }
    Ok(())
}

/// Writes a file unless it has this content already. Returns true if it was written.
fn put(file: &Path, text: &str) -> Result<bool> {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    fs::write(file, text).map_err(Error::io(format!("writing {}", file.display())))?;
    Ok(true)
}

/// Runs cargo and returns the program that it built.
///
/// # Errors
///
/// cargo fails; its messages are on the error output.
pub fn executable(mut cargo: Command) -> Result<PathBuf> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(Error::start("cargo"))?;
    let mut program = None;
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if let Message::CompilerArtifact(artifact) =
                message.map_err(Error::io("reading cargo's messages"))?
            {
                program = artifact.executable.map(|file| file.into_std_path_buf()).or(program);
            }
        }
    }
    let succeeded = child.wait().map_err(Error::io("waiting for cargo"))?.success();
    let failed = || Error::Failed { command: "cargo build".into(), output: String::new() };
    program.filter(|_| succeeded).ok_or_else(failed)
}
