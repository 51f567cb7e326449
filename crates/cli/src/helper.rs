//! Asks a plug-in about its configuration, through a native program that is linked with it.
//!
//! What a plug-in takes is known to its Rust types alone. So a small crate is written into the target folder
//! that depends on the plug-in, and what it says is read as JSON. Cargo builds it again when the plug-in has
//! changed, and otherwise only looks; it is a workspace of its own, so that no list names it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::Usage;
use crate::generated;
use crate::output;
use crate::workspace::{Plugin, Workspace};

/// A plug-in that can be asked.
pub(crate) struct Helper {
    program: PathBuf,
    /// What to say of a plug-in that has no schema.
    plugin: String,
}

/// Why a plug-in refuses a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    /// The place in the document: `_rules_[0].block_urls[1]`.
    pub(crate) path: String,
    /// What is wrong there and what to write instead.
    pub(crate) message: String,
}

impl Helper {
    /// Builds the program, unless it is up to date.
    pub(crate) fn build(workspace: &Workspace, plugin: &Plugin) -> Result<Self> {
        plugin.has_one_style()?;
        if plugin.classic {
            bail!(Usage(format!(
                "{} is of the classic style, and what it takes is known to its own code alone: write its \
                 configuration into {} and run `cargo xtask test {}`",
                plugin.name,
                plugin.shown.join("tests/cases.yaml").display(),
                plugin.name
            )));
        }
        // Not the workspace's own target folder: cargo would take the same crate, built for two workspaces, for
        // one and the same.
        let target = workspace.target.join("describe/target");
        let folder = workspace.target.join("describe/crates").join(&plugin.name);
        let package = format!("describe-{}", plugin.name);
        let program = "//! Answers for one plug-in; written by xtask.\n\n\
                       fn main() -> std::process::ExitCode {\n    \
                       sdk::describe::main(&plugin::description())\n}\n";
        let rest = format!(
            "sdk = {{ package = \"portcullis-sdk\", path = {} }}\n\n[profile.dev]\ndebug = false\n",
            generated::quoted(&workspace.root.join("crates/sdk"))?
        );
        generated::write(&folder, workspace, plugin, &package, &rest, program)?;
        let mut cargo = crate::wasm::cargo();
        cargo.current_dir(&workspace.root).args(["build", "--message-format=json-render-diagnostics"]);
        cargo.arg("--manifest-path").arg(folder.join("Cargo.toml"));
        cargo.arg("--target-dir").arg(&target);
        let program = target.join("debug").join(&package);
        if program.with_extension(std::env::consts::EXE_EXTENSION).is_file() {
            cargo.arg("--quiet");
        } else {
            output::step(format_args!(
                "building {} for this machine, to ask it about its configuration",
                plugin.name
            ));
        }
        let program = generated::executable(cargo).with_context(|| {
            format!("{} cannot be asked about its configuration: repair what the compiler says", plugin.name)
        })?;
        Ok(Self { program, plugin: plugin.name.clone() })
    }

    /// The schema of the plug-in's fields, OpenAPI v3.
    pub(crate) fn schema(&self) -> Result<Value> {
        let schema: Option<Value> = self.ask("schema", b"")?;
        schema.with_context(|| {
            format!(
                "{} does not describe its configuration: write `#[configuration]` in place of \
                 `#[derive(Deserialize)]` before the types of its fields",
                self.plugin
            )
        })
    }

    /// Everything that is wrong with a document to the plug-in; nothing when it takes it.
    pub(crate) fn check(&self, document: &Value) -> Result<Vec<Refusal>> {
        self.ask("check", document.to_string().as_bytes())
    }

    /// Whether a rule has the global fields that it does not write itself.
    pub(crate) fn rules_start_from_global(&self) -> Result<bool> {
        self.ask("inherits", b"")
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, what: &str, input: &[u8]) -> Result<T> {
        let mut command = Command::new(&self.program);
        command.arg(what).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("{} cannot be started", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that has stopped before says why below.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().context("waiting for the plug-in's answer")?;
        if !output.status.success() {
            bail!("{} broke off with {}: see above; this is a bug in it", self.plugin, output.status);
        }
        serde_json::from_slice(&output.stdout).context("reading the plug-in's answer")
    }
}
