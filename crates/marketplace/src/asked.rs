//! A module that answers for its configuration itself, without its source: in the embedded engine and, if asked for, in Envoy.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use config::ConfigError;
use engine::wasm::{Module, every_error};
use gateway::{Bootstrap, Envoy, LogLevel, StartError, Wasm};
use serde_json::Value;

use crate::{Code, Refusal};

/// The name of the plug-in in Envoy, which its log has.
const NAME: &str = "plugin";

/// A module that is asked.
pub struct AskedModule {
    /// The name for messages.
    pub name: String,
    module: Module,
    /// The schema of its fields (OpenAPI v3), if its image has one.
    pub schema: Option<Value>,
    /// The real Envoy with the file of the module, if that is to be asked too.
    envoy: Option<(Envoy, PathBuf)>,
}

impl AskedModule {
    /// A module with the schema of its image.
    ///
    /// # Errors
    ///
    /// It is not valid.
    pub fn new(name: &str, bytes: &[u8], schema: Option<Value>) -> Result<Self> {
        let module = Module::new(bytes).with_context(|| format!("reading the module of {name}"))?;
        Ok(Self { name: name.to_owned(), module, schema, envoy: None })
    }

    /// The module in a file, which is named like it.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not a module, or there is no Envoy.
    pub fn read(file: &Path, in_envoy: bool) -> Result<Self> {
        let bytes = fs::read(file).map_err(|error| {
            Refusal::new(
                Code::ModuleMissing,
                format!("{} cannot be read: {error}", file.display()),
                "name the file of a module",
            )
        })?;
        let invalid = |error: &dyn fmt::Display| {
            Refusal::new(Code::ModuleInvalid, format!("{}: {error}", file.display()), "")
        };
        workspace::module::validate(&bytes)
            .map_err(|reason| invalid(&format_args!("not a valid module: {reason}")))?;
        let module = Module::new(&bytes).map_err(|error| invalid(&error))?;
        let envoy = match in_envoy {
            true => Some((Envoy::find(&gateway::target_dir()?)?, std::path::absolute(file)?)),
            false => None,
        };
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, module, schema: None, envoy })
    }

    /// Imported functions that Envoy does not have: only some gateways load the module.
    #[must_use]
    pub fn missing_imports(&self) -> Vec<String> {
        self.module.missing_imports().iter().map(ToString::to_string).collect()
    }

    /// Everything that is wrong with a document. Where Envoy does not agree with the embedded engine, Envoy is right.
    pub fn errors(&self, document: &Value) -> Result<Vec<ConfigError>> {
        let errors = every_error(&self.module, document, self.schema.as_ref());
        let Some((envoy, file)) = &self.envoy else { return Ok(errors) };
        let wasm = Wasm::new(NAME, file).configured(&document.to_string());
        let bootstrap = Bootstrap::single(wasm, SocketAddr::from(([127, 0, 0, 1], 9)));
        match gateway::validate(envoy, &bootstrap, LogLevel::Info) {
            Ok(()) => Ok(Vec::new()),
            Err(StartError::Refused { .. }) if !errors.is_empty() => Ok(errors),
            Err(StartError::Refused { log }) => {
                let said = log.iter().rev().find(|line| line.of_plugin(NAME).is_some());
                let said = said
                    .or(log.last())
                    .map_or("refused without a reason", |line| line.of_plugin(NAME).unwrap_or(&line.message));
                Ok(vec![ConfigError::new("", format!("Envoy refuses it: {said}"))])
            }
            Err(error) => Err(error).context("Envoy cannot load the module"),
        }
    }
}
