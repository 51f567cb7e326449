//! `config --module`: asks a module itself, without its source, in the embedded engine and, with `--envoy`, in Envoy.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use config::ConfigError;
use engine::wasm::{Module, every_error};
use gateway::{Bootstrap, Envoy, LogLevel, StartError, Wasm};
use resource::yaml::{self, Fault, Node, Position, Span};
use resource::{Content, Deployment, Found, WasmPlugin};
use serde_json::{Value, json};

use super::verdict::{Report, Verdict};
use super::{Args, finish, read};
use crate::Usage;

/// The name of the plug-in in Envoy, which its log has.
const NAME: &str = "plugin";

/// What answers for a module.
struct Asked {
    name: String,
    module: Module,
    /// The real Envoy with the file of the module, if that is to be asked too.
    envoy: Option<(Envoy, PathBuf)>,
}

/// Checks files.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let Some(file) = &args.module else { bail!("no module is given") };
    let bytes = fs::read(file).map_err(|error| {
        Usage(format!("{} cannot be read: {error}; name the file of a module", file.display()))
    })?;
    let module = Module::new(&bytes).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    let missing: Vec<String> = module.missing_imports().iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        anstream::eprintln!(
            "{}: imports {}, which Envoy does not have: only some gateways load it",
            file.display(),
            missing.join(", ")
        );
    }
    let envoy = match args.envoy {
        true => Some((Envoy::find(&gateway::target_dir()?)?, std::path::absolute(file)?)),
        false => None,
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let asked = Asked { name, module, envoy };
    let mut reports = Vec::new();
    for file in &args.files {
        reports.extend(asked.file(file, &read(file)?)?);
    }
    finish(args, reports)
}

impl Asked {
    fn file(&self, file: &Path, text: &str) -> Result<Vec<Report>> {
        let report = |line, verdict| {
            let (file, plugin) = (file.display().to_string(), Some(self.name.clone()));
            Report { file, line, plugin, verdict, remarks: Vec::new() }
        };
        let documents = match yaml::read(text) {
            Ok(documents) => documents,
            Err(error) => {
                let error = Fault::no_yaml(text, error);
                return Ok(vec![report(error.line, Verdict::refused(vec![error]))]);
            }
        };
        let mut reports = Vec::new();
        for document in documents.iter().filter(|document| !document.to_json().is_null()) {
            for found in resource::read(document) {
                let line = found.node.span().start.line;
                match &found.content {
                    Content::Fields => {
                        let configuration = document.to_json();
                        let errors = self.errors(&configuration)?;
                        let faults = errors.iter().map(|error| Fault::refused(text, document, error));
                        reports.push(report(line, verdict(configuration, faults.collect())));
                    }
                    Content::Other { kind } => {
                        let message = format!("is {kind}, which configures no plug-in");
                        let note = Fault::at(text, document, found.path("kind"), message);
                        let remedy = "write a WasmPlugin resource, or a plug-in's fields".into();
                        reports.push(report(line, Verdict::LeftOut { note, remedy }));
                    }
                    Content::Plugins(plugins) => {
                        for plugin in plugins {
                            let verdict = self.resource(text, document, &found, plugin)?;
                            reports.push(report(line, verdict));
                        }
                    }
                }
            }
        }
        if reports.is_empty() {
            let configuration = json!({});
            let start = Position { line: 1, column: 1 };
            let errors = self.errors(&configuration)?.into_iter();
            let faults =
                errors.map(|error| Fault::new(text, Span { start, end: start }, "", error.message()));
            reports.push(report(1, verdict(configuration, faults.collect())));
        }
        Ok(reports)
    }

    fn resource(
        &self,
        text: &str,
        document: &Node,
        found: &Found<'_>,
        plugin: &WasmPlugin,
    ) -> Result<Verdict> {
        let fault =
            |error: &ConfigError| Fault::at(text, document, found.path(error.path()), error.message());
        let mut faults: Vec<Fault> = found.errors.iter().map(fault).collect();
        let configuration = match plugin.deployment() {
            Ok(Deployment::Document(fields)) => Value::Object(fields),
            Ok(Deployment::NotDeployed) if faults.is_empty() => {
                let reason = "`defaultConfigDisable` is set, and no match rule is in force";
                return Ok(Verdict::NotDeployed { reason });
            }
            Ok(Deployment::NotDeployed) => return Ok(Verdict::refused(faults)),
            Err(error) => {
                faults.push(fault(&error));
                return Ok(Verdict::refused(faults));
            }
        };
        for error in self.errors(&configuration)? {
            // A text without a place is about the resource as a whole.
            let path = if error.path().is_empty() { String::new() } else { plugin.origin(error.path()) };
            faults.push(fault(&ConfigError::new(path, error.message())));
        }
        Ok(verdict(configuration, faults))
    }

    /// Everything that is wrong with a document. Where Envoy does not agree with the embedded engine, Envoy is right.
    fn errors(&self, document: &Value) -> Result<Vec<ConfigError>> {
        let errors = every_error(&self.module, document, None);
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

fn verdict(configuration: Value, faults: Vec<Fault>) -> Verdict {
    match faults.is_empty() {
        true => Verdict::Accepted { configuration, rules_start_from_global: false },
        false => Verdict::refused(faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that refuses everything with this text.
    fn refusing(text: &str) -> Asked {
        let module = format!(
            r#"(module
                (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (data (i32.const 8) "{text}")
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "proxy_on_configure") (param i32 i32) (result i32)
                    (drop (call $log (i32.const 4) (i32.const 8) (i32.const {})))
                    (i32.const 0)))"#,
            text.len()
        );
        let module = Module::new(&wat::parse_str(module).unwrap()).unwrap();
        Asked { name: "mine".into(), module, envoy: None }
    }

    fn faults(asked: &Asked, text: &str) -> Vec<(String, usize, String)> {
        let reports = asked.file(Path::new("f.yaml"), text).unwrap();
        let faults = reports.into_iter().flat_map(|report| match report.verdict {
            Verdict::Refused { errors, .. } => errors,
            _ => Vec::new(),
        });
        faults.map(|fault| (fault.path, fault.line, fault.message)).collect()
    }

    const RESOURCE: &str = "\
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: mine }
spec:
  url: oci://registry.example.com/mine:1.0.0
  defaultConfig:
    secret: 12
";

    #[test]
    fn a_text_with_a_path_of_the_document_is_shown_at_its_line() {
        let asked = refusing("secret: must be a string");
        let message = "must be a string".to_owned();
        assert_eq!(faults(&asked, "a: 1\nsecret: 12\n"), [("secret".into(), 2, message.clone())]);
        assert_eq!(faults(&asked, RESOURCE), [("spec.defaultConfig.secret".into(), 7, message)]);
    }

    #[test]
    fn a_text_without_a_path_is_shown_at_the_resource() {
        let asked = refusing("[my-plugin] parse config failed: no secret");
        let found = faults(&asked, RESOURCE);
        assert_eq!(found, [(String::new(), 1, "[my-plugin] parse config failed: no secret".to_owned())]);
    }
}
