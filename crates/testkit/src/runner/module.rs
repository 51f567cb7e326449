//! The module for a plain `cargo test -p <plug-in>`: built quickly, when a case first needs it.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The profile of modules for development; `cargo xtask test` tests release modules.
const PROFILE: &str = "wasm-dev";

/// Builds the module of the package in `directory` with the cargo that runs the test, and returns its path.
pub(super) fn build(directory: &Path, package: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(directory).args(["rustc", "--locked", "--quiet", "--lib", "--package", package]);
    command.args(["--target", "wasm32-wasip1", "--crate-type", "cdylib", "--profile", PROFILE]);
    command.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cargo cannot be started")?;
    let mut module = None;
    let messages = child.stdout.take().map(BufReader::new).map(serde_json::Deserializer::from_reader);
    for message in messages.into_iter().flat_map(|messages| messages.into_iter::<serde_json::Value>()) {
        let message = message.context("reading cargo's messages")?;
        let of = |key: &str| message.get(key).and_then(|value| value.as_str()).map(Path::new);
        if of("manifest_path").and_then(Path::parent) == Some(directory) {
            let files = message.get("filenames").and_then(|files| files.as_array()).into_iter().flatten();
            let wasm = files.filter_map(|file| file.as_str()).find(|file| file.ends_with(".wasm"));
            module = wasm.map(PathBuf::from).or(module);
        }
    }
    if !child.wait()?.success() {
        bail!(
            "{package} does not compile for wasm32-wasip1: fix the compiler's errors above; if it is the target \
             that is missing, run `rustup target add wasm32-wasip1`"
        );
    }
    module.with_context(|| {
        format!("{package}: cargo built no module: write `crate-type = [\"cdylib\", \"rlib\"]` under [lib]")
    })
}
