//! Queries plug-ins about their configuration, through a native program that is linked with them.
//!
//! Only a plug-in's Rust types define the configuration that it accepts. Therefore, a small crate that depends on the
//! plug-in is written into the target folder, and its output is read as JSON. Cargo builds it again when the plug-in has
//! changed. The crate is a separate workspace without other dependencies: the SDK is the one on which the
//! plug-in depends, from any source. One program for all plug-ins of a workspace compiles their dependencies once, and not
//! with the features of each.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::{Error, Notice, Plugin, Result, Workspace, build, generated};

/// Whether a plug-in describes its configuration.
#[derive(Debug, Clone)]
pub enum Described {
    /// It does, through this program.
    Typed(Describer),
    /// It has the classic style: only its code, in an engine, determines whether it accepts a configuration.
    Classic,
}

/// A native program that describes a plug-in.
#[derive(Debug, Clone)]
pub struct Describer {
    program: PathBuf,
    plugin: String,
}

/// An error in a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The place in the document: `_rules_[0].block_urls[1]`.
    pub path: String,
    /// The error and the remedy.
    pub message: String,
}

/// A limit that a rate limit service counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceLimit {
    /// The domain.
    pub domain: String,
    /// The entry `limit` of its descriptors.
    pub limit: String,
    /// The amount.
    pub amount: u32,
    /// The length of a window in seconds.
    pub seconds: u64,
    /// True if the entry `key` is counted separately.
    pub per_key: bool,
}

impl Workspace {
    /// Builds the program that describes a plug-in, unless it is up to date.
    ///
    /// # Errors
    ///
    /// The plug-in does not compile.
    pub fn describe(&self, plugin: &Plugin) -> Result<Described> {
        plugin.has_one_style()?;
        if plugin.classic {
            return Ok(Described::Classic);
        }
        let program = self.describing(&plugin.name, &[plugin])?;
        Ok(Described::Typed(Describer { program, plugin: plugin.name.clone() }))
    }

    /// Builds one program that describes these plug-ins, none of which has the classic style, unless it is up to date.
    ///
    /// # Errors
    ///
    /// A plug-in does not compile.
    pub fn describe_all(&self, plugins: &[&Plugin]) -> Result<Vec<Describer>> {
        plugins.iter().try_for_each(|plugin| plugin.has_one_style())?;
        let program = self.describing("all plug-ins", plugins)?;
        let describer =
            |plugin: &&Plugin| Describer { program: program.clone(), plugin: plugin.name.clone() };
        Ok(plugins.iter().map(describer).collect())
    }

    /// Builds the program for plug-ins that a message calls `title`.
    fn describing(&self, title: &str, plugins: &[&Plugin]) -> Result<PathBuf> {
        // Not the workspace's own target folder: cargo does not distinguish the same crate built for two
        // workspaces.
        let target = self.target.join("describe/target");
        let package = format!("describe-{}", title.replace(' ', "-"));
        let folder = self.target.join("describe/crates").join(&package);
        let names: Vec<String> = (0..plugins.len()).map(|number| format!("plugin_{number}")).collect();
        let answers = names.iter().zip(plugins);
        let answers = answers.map(|(name, plugin)| {
            format!("        Some({:?}) => {name}::description().answer(),\n", plugin.name)
        });
        let program = format!(
            "//! Answers for plug-ins; a generated file.\n\n\
             fn main() -> std::process::ExitCode {{\n    match std::env::args().nth(2).as_deref() {{\n{}        \
             _ => std::process::ExitCode::FAILURE,\n    }}\n}}\n",
            answers.collect::<String>()
        );
        let plugins: Vec<(&str, &Plugin)> =
            names.iter().map(String::as_str).zip(plugins.iter().copied()).collect();
        generated::write(&folder, self, &plugins, &package, "\n[profile.dev]\ndebug = false\n", &program)?;
        let mut cargo = build::cargo();
        cargo.current_dir(&self.root).args(["build", "--message-format=json-render-diagnostics"]);
        cargo.arg("--manifest-path").arg(folder.join("Cargo.toml"));
        cargo.arg("--target-dir").arg(&target);
        let program = target.join("debug").join(&package);
        if program.with_extension(std::env::consts::EXE_EXTENSION).is_file() {
            cargo.arg("--quiet");
        } else {
            (self.notify)(&Notice::BuildingDescription(title));
        }
        let one = if plugins.len() > 1 { "a plug-in" } else { title };
        generated::executable(cargo).map_err(|error| match error {
            Error::Failed { .. } => Error::Compile { plugin: one.to_owned() },
            other => other,
        })
    }
}

impl Describer {
    /// The schema of the plug-in's fields, OpenAPI v3.
    ///
    /// # Errors
    ///
    /// Its fields have no schema.
    pub fn schema(&self) -> Result<Value> {
        let schema: Option<Value> = self.ask("schema", b"")?;
        schema.ok_or_else(|| Error::NoSchema { plugin: self.plugin.clone() })
    }

    /// Returns all errors in a document; none if the plug-in accepts it.
    ///
    /// # Errors
    ///
    /// The program exits unexpectedly.
    pub fn check(&self, document: &Value) -> Result<Vec<Refusal>> {
        self.ask("check", document.to_string().as_bytes())
    }

    /// Whether a rule inherits the global fields that it does not set itself.
    ///
    /// # Errors
    ///
    /// The program exits unexpectedly.
    pub fn rules_start_from_global(&self) -> Result<bool> {
        self.ask("inherits", b"")
    }

    /// Returns the limits in a valid document that a rate limit service counts.
    ///
    /// # Errors
    ///
    /// The program exits unexpectedly.
    pub fn service_limits(&self, document: &Value) -> Result<Vec<ServiceLimit>> {
        self.ask("limits", document.to_string().as_bytes())
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, question: &str, input: &[u8]) -> Result<T> {
        let broke_off = |reason: String| Error::Describe { plugin: self.plugin.clone(), reason };
        let mut command = Command::new(&self.program);
        command.args([question, &self.plugin]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Error::start(&self.program.to_string_lossy()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // If the program has exited, the reason is reported below.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(|error| broke_off(error.to_string()))?;
        if !output.status.success() {
            return Err(broke_off(format!("exited with {}, see above", output.status)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| broke_off(error.to_string()))
    }
}
