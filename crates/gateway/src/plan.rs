//! From a folder to what Envoy runs: the plug-ins, their order, and the module and configuration of each.
//!
//! A plug-in is accepted as a whole or rejected as a whole. Errors have their place in the file, and the plug-in that ran
//! under the name before stays.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use config::ConfigError;
use engine::wasm;
use resource::{Deployment, FailStrategy, yaml};
use serde_json::{Map, Value};
use workspace::describe::Refusal;

use crate::folder::{self, Entry, Fault, StageOrder};
use crate::modules::{Module, Modules};
use crate::routes::Service;
use crate::schema;
use crate::{Bootstrap, Environment, Envoy, FailurePolicy, LogLevel, LogLine, Routes, StartError, Wasm};

/// Everything that a gateway runs.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The plug-ins, in the order of requests.
    pub plugins: Vec<Planned>,
    /// Ingresses and services.
    pub routes: Routes,
    /// Fields that have no effect here, or not the one that they seem to have.
    pub remarks: Vec<Fault>,
}

/// A plug-in that runs.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its resource.
    pub entry: Entry,
    /// Its module.
    pub module: Module,
    /// Its part of Envoy's configuration.
    pub wasm: Wasm,
    /// The number of rules in its document.
    pub rules: usize,
    /// Whether it has a configuration for requests that match no rule.
    pub default: bool,
    /// What the schema of its image does not allow in its configuration, and the plug-in accepts.
    remarks: Vec<Fault>,
}

/// Makes plans of a folder.
#[derive(Debug)]
pub struct Planner {
    folder: PathBuf,
    order: StageOrder,
    modules: Modules,
    envoy: Envoy,
    /// Documents that were accepted, each with its module, and what the schema of the image does not allow in them.
    accepted: HashMap<(PathBuf, Option<String>), Vec<ConfigError>>,
}

/// Whether a document was validated.
enum Checked {
    Accepted,
    Unknown,
}

/// Returns everything that a module rejects in a document, in the embedded engine. If that cannot run it, Envoy decides.
fn errors_of_module(file: &Path, document: &Map<String, Value>, schema: Option<&Value>) -> Vec<ConfigError> {
    let Some(module) = fs::read(file).ok().and_then(|bytes| wasm::Module::new(&bytes).ok()) else {
        return Vec::new();
    };
    let value = Value::Object(document.clone());
    match document.is_empty() {
        true => {
            let rejected = wasm::validate(&module, None).err();
            rejected.iter().map(|rejected| rejected.to_error(&value)).collect()
        }
        false => wasm::every_error(&module, &value, schema),
    }
}

impl Planner {
    /// Plans this folder.
    #[must_use]
    pub fn new(folder: PathBuf, order: StageOrder, modules: Modules, envoy: Envoy) -> Self {
        Self { folder, order, modules, envoy, accepted: HashMap::new() }
    }

    /// Plans the folder after these files have changed, and returns its errors. In place of anything with an error the plan
    /// has what `before` has.
    pub fn plan(&mut self, before: Option<&Plan>, changed: &[PathBuf]) -> (Plan, Vec<Fault>) {
        self.modules.changed(changed);
        let folder = folder::read(&self.folder, self.order);
        let mut faults = folder.faults.clone();
        let mut plan = Plan::default();
        match Routes::of_folder(&self.folder) {
            Ok(routes) => plan.routes = routes,
            Err(wrong) => {
                faults.extend(wrong);
                plan.routes = before.map(|before| before.routes.clone()).unwrap_or_default();
            }
        }
        let earlier = |name: &str| before?.plugins.iter().find(|planned| planned.entry.name == name);
        for entry in folder.enabled() {
            match self.planned(entry, earlier(&entry.name), before.is_some()) {
                Ok(planned) => plan.plugins.push(planned),
                Err(wrong) => {
                    faults.extend(wrong);
                    plan.plugins.extend(earlier(&entry.name).cloned());
                }
            }
        }
        // The plug-ins of a file that can no longer be read.
        let unread: HashSet<&Path> = folder.faults.iter().map(|fault| fault.file.as_path()).collect();
        let known: HashSet<&str> = folder.plugins.iter().map(|entry| entry.name.as_str()).collect();
        for planned in before.into_iter().flat_map(|before| &before.plugins) {
            if unread.contains(planned.entry.file.as_path()) && !known.contains(planned.entry.name.as_str()) {
                plan.plugins.push(planned.clone());
            }
        }
        let stages = self.order.stages();
        plan.plugins.sort_by_key(|planned| {
            let entry = &planned.entry;
            let stage = stages.iter().position(|stage| *stage == entry.stage);
            (stage, Reverse(entry.priority), entry.name.clone(), entry.namespace.clone())
        });
        plan.remarks = remarks(&plan, &folder);
        (plan, faults)
    }

    fn planned(
        &mut self,
        entry: &Entry,
        before: Option<&Planned>,
        running: bool,
    ) -> Result<Planned, Vec<Fault>> {
        let spec = &entry.resource.spec;
        let document = match entry.resource.deployment() {
            Ok(Deployment::Document(document)) => document,
            // The folder reports it, or does not count it as enabled.
            Ok(Deployment::NotDeployed) => Map::new(),
            Err(error) => return Err(vec![at(entry, error.path(), error.message())]),
        };
        let module = self
            .modules
            .resolve(entry)
            .map_err(|error| vec![at(entry, &entry.resource.field(error.field), &error.message)])?;
        let wasm = Wasm {
            // Istio sends nothing at all for an empty configuration.
            configuration: (!document.is_empty()).then(|| Value::Object(document.clone()).to_string()),
            environment: environment(entry),
            root_id: spec.plugin_name.clone(),
            failure_policy: match spec.fail_strategy {
                FailStrategy::Close => FailurePolicy::Closed,
                FailStrategy::Open => FailurePolicy::Open,
            },
            hold_headers: module.holds_headers,
            ..Wasm::new(&entry.name, &module.file)
        };
        let mut remarks = before.map(|before| before.remarks.clone()).unwrap_or_default();
        if before.is_none_or(|before| before.wasm != wasm) {
            remarks = self.check_configuration(entry, &module, &document, &wasm)?;
            if running && before.is_none_or(|before| before.wasm.module != wasm.module) {
                self.check_in_envoy(entry, &wasm)?;
            }
        }
        let rules = document.get("_rules_").and_then(Value::as_array).map_or(0, Vec::len);
        let default = document.keys().any(|key| key != "_rules_") || rules == 0;
        Ok(Planned { entry: entry.clone(), module, wasm, rules, default, remarks })
    }

    /// Validates the document. Returns what the schema of the image does not allow and the plug-in accepts.
    fn check_configuration(
        &mut self,
        entry: &Entry,
        module: &Module,
        document: &Map<String, Value>,
        wasm: &Wasm,
    ) -> Result<Vec<Fault>, Vec<Fault>> {
        let key = (module.file.clone(), wasm.configuration.clone());
        if !self.accepted.contains_key(&key) {
            let remarks = match self.check_by_source(entry, module, document)? {
                Checked::Accepted => Vec::new(),
                Checked::Unknown => self.check_by_module(entry, module, document, wasm)?,
            };
            self.accepted.insert(key.clone(), remarks);
        }
        let remarks = self.accepted.get(&key).into_iter().flatten();
        Ok(remarks.map(|error| at(entry, &entry.resource.origin(error.path()), error.message())).collect())
    }

    /// Validates the document by the plug-in's own code, if its source is here and has types for it.
    fn check_by_source(
        &self,
        entry: &Entry,
        module: &Module,
        document: &Map<String, Value>,
    ) -> Result<Checked, Vec<Fault>> {
        let (Some(plugin), Some(plugins)) = (&module.plugin, self.modules.plugins()) else {
            return Ok(Checked::Unknown);
        };
        match plugins.check(plugin, &Value::Object(document.clone())) {
            Ok(None) => Ok(Checked::Unknown),
            Ok(Some(refusals)) if refusals.is_empty() => Ok(Checked::Accepted),
            Ok(Some(refusals)) => {
                let fault =
                    |refusal: &Refusal| at(entry, &entry.resource.origin(&refusal.path), &refusal.message);
                Err(refusals.iter().map(fault).collect())
            }
            Err(error) => Err(vec![at(entry, "spec", &error.to_string())]),
        }
    }

    /// Validates the document by the schema of the image, and by the module in the embedded engine. Envoy decides where one
    /// of them has errors; the schema's errors that it does not confirm are returned.
    fn check_by_module(
        &self,
        entry: &Entry,
        module: &Module,
        document: &Map<String, Value>,
        wasm: &Wasm,
    ) -> Result<Vec<ConfigError>, Vec<Fault>> {
        let schema = module.schema.as_ref();
        let by_schema = schema.map(|schema| schema::errors(schema, document)).unwrap_or_default();
        let by_module = errors_of_module(&module.file, document, schema);
        if by_schema.is_empty() && by_module.is_empty() {
            return Ok(Vec::new());
        }
        let Err(in_envoy) = self.check_in_envoy(entry, wasm) else {
            return Ok(by_schema.iter().map(schema::remark).collect());
        };
        let errors = schema::merged(&by_module, by_schema);
        // Without a position, Envoy's log is as good.
        if errors.is_empty() {
            return Err(in_envoy);
        }
        let fault = |error: &ConfigError| at(entry, &entry.resource.origin(error.path()), error.message());
        Err(errors.iter().map(fault).collect())
    }

    /// The plug-ins of a plan that do not load in an Envoy of their own, and why. For a plan that did not start.
    pub fn rejected(&self, plan: &Plan) -> Vec<Fault> {
        let alone = |planned: &Planned| self.check_in_envoy(&planned.entry, &planned.wasm).err();
        plan.plugins.iter().filter_map(alone).flatten().collect()
    }

    /// Loads the plug-in in another Envoy: the one that serves would wait for a plug-in that does not load.
    fn check_in_envoy(&self, entry: &Entry, wasm: &Wasm) -> Result<(), Vec<Fault>> {
        let bootstrap = Bootstrap::single(wasm.clone(), ([127, 0, 0, 1], 1).into());
        match crate::validate(&self.envoy, &bootstrap, LogLevel::Info) {
            Ok(()) => Ok(()),
            Err(StartError::Refused { log } | StartError::Ended { log, .. }) => {
                let (path, message) = refusal(&wasm.name, &log);
                Err(vec![at(entry, path, &message)])
            }
            Err(error) => Err(vec![at(entry, "spec", &error.to_string())]),
        }
    }
}

/// Why a plug-in does not load, from the log: in its own words if it refused its configuration, and otherwise in those of
/// Envoy. The first part is the field to point at.
fn refusal(name: &str, log: &[LogLine]) -> (&'static str, String) {
    let own = log.iter().filter(|line| line.level >= LogLevel::Warn);
    let mut own: Vec<&str> = own.filter_map(|line| line.of_plugin(name)).collect();
    own.dedup();
    if !own.is_empty() {
        return ("spec.defaultConfig", format!("the plug-in rejects its configuration: {}", own.join("; ")));
    }
    let envoys = log.iter().filter(|line| line.plugin().is_none() && line.level >= LogLevel::Error);
    let mut envoys: Vec<&str> = envoys.map(|line| line.message.as_str()).collect();
    envoys.dedup();
    match envoys.is_empty() {
        true => {
            ("spec.defaultConfig", "the plug-in rejects its configuration, and logs no reason".to_owned())
        }
        false => ("spec", format!("Envoy rejects the plug-in: {}", envoys.join("; "))),
    }
}

fn environment(entry: &Entry) -> Environment {
    let mut environment = Environment::default();
    for variable in &entry.resource.spec.vm_config.env {
        if variable.value_from == "HOST" {
            environment.of_host.push(variable.name.clone());
        } else {
            environment.values.push((variable.name.clone(), variable.value.clone()));
        }
    }
    environment
}

/// An error of a field of a resource.
fn at(entry: &Entry, path: &str, message: &str) -> Fault {
    let text = fs::read_to_string(&entry.file).unwrap_or_default();
    // In a list of resources, such as kubectl prints, the path goes through the list.
    let path = entry.path(path);
    let documents = yaml::read(&text).unwrap_or_default();
    let fault = match documents.get(entry.index) {
        Some(document) => yaml::Fault::at(&text, document, path, message),
        // The file has just been changed again: the line where the resource began is the best that is known.
        None => {
            let start = yaml::Position { line: entry.line, column: 1 };
            yaml::Fault::new("", yaml::Span { start, end: start }, path, message)
        }
    };
    Fault { file: entry.file.clone(), fault }
}

/// The services that a configuration names for HTTP calls of the plug-in, each with its path and port.
fn services(value: &Value, path: &str, found: &mut Vec<(String, String, Option<u64>)>) {
    match value {
        Value::Object(fields) => {
            for (name, port) in [("service_name", "service_port"), ("serviceName", "servicePort")] {
                if let Some(service) = fields.get(name).and_then(Value::as_str) {
                    let dot = if path.is_empty() { "" } else { "." };
                    // The usual defaults of plug-ins.
                    let usual = if path.ends_with("rate_limit_service") { 8081 } else { 80 };
                    let port = fields.get(port).and_then(Value::as_u64).or(Some(usual));
                    found.push((format!("{path}{dot}{name}"), service.to_owned(), port));
                }
            }
            for (name, inner) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                services(inner, &format!("{path}{dot}{name}"), found);
            }
        }
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                services(entry, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// Fields that have no effect here, or not the one that they seem to have.
fn remarks(plan: &Plan, folder: &folder::Folder) -> Vec<Fault> {
    let mut remarks = Vec::new();
    let routes: HashSet<String> = plan.routes.routes.iter().map(crate::routes::Ingress::route_name).collect();
    for Planned { entry, remarks: of_schema, .. } in &plan.plugins {
        remarks.extend(of_schema.iter().cloned());
        let mut remark = |path: &str, message: &str| remarks.push(at(entry, path, message));
        for own in entry.resource.remarks() {
            remark(&own.path, own.message);
        }
        let spec = &entry.resource.spec;
        if !spec.selector.is_empty() {
            let message = "selects gateways of a cluster: the one here runs the plug-in in any case";
            remark(&entry.resource.field("selector"), message);
        }
        if !spec.image_pull_secret.is_empty() {
            let message = "is a secret of a cluster, which is not read here: images are pulled with the credentials of \
                           `docker login`";
            remark(&entry.resource.field("imagePullSecret"), message);
        }
        let rules = entry.resource.spec.match_rules.iter().enumerate();
        for (index, rule) in rules.filter(|(_, rule)| !rule.config_disable) {
            for (number, name) in rule.ingress.iter().enumerate().filter(|(_, name)| !routes.contains(*name))
            {
                remark(
                    &format!("spec.matchRules[{index}].ingress[{number}]"),
                    &format!("matches nothing here: {} has no ingress `{name}`", folder::ROUTES),
                );
            }
            for (number, name) in rule.service.iter().enumerate() {
                if !plan.routes.services.iter().any(|service| service.is_named(name)) {
                    remark(
                        &format!("spec.matchRules[{index}].service[{number}]"),
                        &format!("matches nothing here: {} has no service `{name}`", folder::ROUTES),
                    );
                }
            }
        }
    }
    for Planned { entry, .. } in &plan.plugins {
        let Ok(Deployment::Document(document)) = entry.resource.deployment() else { continue };
        let mut called = Vec::new();
        services(&Value::Object(document), "", &mut called);
        for (path, name, port) in called {
            let is_there = |service: &Service| {
                service.name == name && port.is_none_or(|port| u64::from(service.port) == port)
            };
            if !plan.routes.services.iter().any(is_there) {
                let port = port.map(|port| format!(", port: {port}")).unwrap_or_default();
                let message = format!(
                    "is not a service of {}, and calls to it fail: add `- {{ name: {name}{port}, address: … }}` to its `services`",
                    folder::ROUTES
                );
                remarks.push(at(entry, &entry.resource.origin(&path), &message));
            }
        }
    }
    for other in &folder.others {
        let start = yaml::Position { line: other.line, column: 1 };
        let message = format!("{} configures no plug-in: ignored", other.kind);
        let fault = yaml::Fault::new("", yaml::Span { start, end: start }, "", message);
        remarks.push(Fault { file: other.file.clone(), fault });
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: LogLevel, component: &str, message: &str) -> LogLine {
        LogLine { at: 0, level, component: component.into(), message: message.into() }
    }

    #[test]
    fn a_refusal_is_in_the_words_of_the_module() {
        let trace = line(LogLevel::Trace, "wasm", "[host->vm] proxy_on_configure(1, 10)");
        let own = line(LogLevel::Error, "wasm", "wasm log mine: no field `a`");
        let envoys = line(LogLevel::Critical, "wasm", "Plugin configured failed");
        let log = [trace.clone(), own.clone(), own, envoys.clone()];
        assert_eq!(
            refusal("mine", &log),
            ("spec.defaultConfig", "the plug-in rejects its configuration: no field `a`".to_owned())
        );
        let (path, message) = refusal("mine", &[trace, envoys]);
        assert_eq!((path, message.as_str()), ("spec", "Envoy rejects the plug-in: Plugin configured failed"));
        assert!(refusal("mine", &[]).1.contains("logs no reason"));
    }
}
