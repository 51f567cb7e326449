//! A module that answers for its configuration itself, without its source: in the embedded engine and, if asked for, in Envoy.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use config::ConfigError;
use engine::wasm::{Module, every_error};
use gateway::{Bootstrap, Envoy, LogLevel, StartError, Wasm, schema};
use oci::{Layout, Reader};
use serde_json::Value;
use tempfile::NamedTempFile;

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
    /// The real Envoy with a copy of the module, if that is to be asked too.
    envoy: Option<(Envoy, NamedTempFile)>,
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

    /// The module of an image, with its schema. The name is the one in its `spec.yaml`, or else `name`.
    ///
    /// # Errors
    ///
    /// The layout has not exactly one image with a module, or the module is not valid.
    pub fn of_image(layout: &Layout, name: &str, in_envoy: bool) -> Result<Self> {
        let image = Reader::Any.image(layout, layout.top()?)?;
        let bytes = Reader::Any.module(layout, &image.manifest)?;
        let spec = layout.spec(&image.manifest).unwrap_or_default();
        let name = spec.pointer("/info/name").and_then(Value::as_str).unwrap_or(name);
        let schema = layout.schema(&image.manifest);
        workspace::module::validate(&bytes)
            .map_err(|reason| invalid(&name, &format_args!("its module is not valid: {reason}")))?;
        let asked = Self::new(name, &bytes, schema)?;
        if in_envoy { asked.in_envoy_too(&bytes) } else { Ok(asked) }
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
        let shown = file.display();
        workspace::module::validate(&bytes)
            .map_err(|reason| invalid(&shown, &format_args!("not a valid module: {reason}")))?;
        let module = Module::new(&bytes).map_err(|error| invalid(&shown, &error))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let asked = Self { name, module, schema: None, envoy: None };
        if in_envoy { asked.in_envoy_too(&bytes) } else { Ok(asked) }
    }

    /// The same, asked in a real Envoy as well.
    fn in_envoy_too(self, bytes: &[u8]) -> Result<Self> {
        let envoy = Envoy::find(&gateway::target_dir()?)?;
        let mut file = NamedTempFile::with_suffix(".wasm").context("creating a temporary file")?;
        file.write_all(bytes).context("writing a copy of the module")?;
        Ok(Self { envoy: Some((envoy, file)), ..self })
    }

    /// Imported functions that Envoy does not have: only some gateways load the module.
    #[must_use]
    pub fn missing_imports(&self) -> Vec<String> {
        self.module.missing_imports().iter().map(ToString::to_string).collect()
    }

    /// What the schema of the image does not allow in a document that the module accepts.
    #[must_use]
    pub fn remarks(&self, document: &Value) -> Vec<ConfigError> {
        self.by_schema(document).iter().map(schema::remark).collect()
    }

    fn by_schema(&self, document: &Value) -> Vec<ConfigError> {
        match (&self.schema, document) {
            (Some(schema), Value::Object(fields)) => schema::errors(schema, fields),
            _ => Vec::new(),
        }
    }

    /// Everything that is wrong with a document, by the module and by the schema of its image. Where Envoy does not agree with
    /// the embedded engine, Envoy is right; where the module accepts what the schema does not, the module is.
    pub fn errors(&self, document: &Value) -> Result<Vec<ConfigError>> {
        let mut errors = every_error(&self.module, document, self.schema.as_ref());
        if !errors.is_empty() {
            let merged = schema::merged(&errors, self.by_schema(document));
            // A text without a place says more than nothing.
            if !merged.is_empty() {
                errors = merged;
            }
        }
        let Some((envoy, file)) = &self.envoy else { return Ok(errors) };
        let wasm = Wasm::new(NAME, file.path()).configured(&document.to_string());
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

fn invalid(what: &dyn fmt::Display, error: &dyn fmt::Display) -> Refusal {
    Refusal::new(Code::ModuleInvalid, format!("{what}: {error}"), "")
}
