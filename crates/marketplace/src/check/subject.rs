//! Determines what a document contains (fields of a plug-in or a resource), its plug-in, and the result.

use std::path::Path;

use anyhow::Result;
use config::ConfigError;
use resource::yaml::{self, Fault, Node, Span};
use resource::{Content, Deployment, Found, WasmPlugin, plugin_field};
use serde_json::{Value, json};

use super::verdict::{Report, Verdict};
use super::{Checker, texts};
use crate::known::{Answers, KnownPlugin};

const NOT_DEPLOYED: &str = "`defaultConfigDisable` is set, and no match rule is in force";

/// The text that contains a document.
struct Source<'t> {
    file: String,
    text: &'t str,
}

impl Source<'_> {
    fn report(&self, line: usize, plugin: Option<KnownPlugin<'_>>, verdict: Verdict) -> Report {
        let plugin = plugin.map(|plugin| plugin.name().to_owned());
        Report { file: self.file.clone(), line, plugin, verdict, remarks: Vec::new() }
    }
}

fn line(node: &Node) -> usize {
    node.span().start.line
}

fn accepted(answers: &Answers, configuration: Value) -> Result<Verdict> {
    let rules_start_from_global = answers.rules_start_from_global()?;
    Ok(Verdict::Accepted { configuration, rules_start_from_global })
}

impl Checker<'_> {
    /// Checks every document of a file.
    ///
    /// # Errors
    ///
    /// A plug-in could not be asked.
    pub fn file(&mut self, file: &Path, text: &str) -> Result<Vec<Report>> {
        let source = Source { file: file.display().to_string(), text };
        let documents = match yaml::read(text) {
            Ok(documents) => documents,
            Err(error) => {
                let error = Fault::no_yaml(text, error);
                return Ok(vec![source.report(error.line, self.plugin, Verdict::refused(vec![error]))]);
            }
        };
        let found: Vec<(&Node, Found<'_>)> = documents
            .iter()
            .flat_map(|document| resource::read(document).into_iter().map(move |found| (document, found)))
            .collect();
        if documents.iter().all(|document| document.to_json().is_null()) {
            return Ok(vec![self.empty(&source)?]);
        }
        // If a document names the plug-in of the command line, others without a name are not for it.
        let named = found.iter().any(|(_, found)| match &found.content {
            Content::Plugins(plugins) => plugins.iter().any(|plugin| {
                let named = self.known.named(plugin);
                named.is_some_and(|named| self.plugin.is_some_and(|wanted| wanted.name() == named.name()))
            }),
            Content::Other { .. } | Content::Fields => false,
        });
        let mut reports = Vec::new();
        for (document, found) in &found {
            match &found.content {
                Content::Fields => reports.push(self.fields(&source, document)?),
                Content::Other { kind } => {
                    let note = Fault::at(
                        text,
                        document,
                        found.path("kind"),
                        format!("is {kind}, which configures no plug-in"),
                    );
                    let remedy = "write a WasmPlugin resource, or a plug-in's fields";
                    reports.push(source.report(
                        line(found.node),
                        None,
                        Verdict::LeftOut { note, remedy: remedy.into() },
                    ));
                }
                Content::Plugins(plugins) if plugins.is_empty() => {
                    let errors = self.faults(&source, document, found, &found.errors);
                    // A policy without plug-ins is of no concern.
                    if !errors.is_empty() {
                        reports.push(source.report(line(found.node), self.plugin, Verdict::refused(errors)));
                    }
                }
                Content::Plugins(plugins) => {
                    for (number, plugin) in plugins.iter().enumerate() {
                        let errors = if number == 0 { found.errors.as_slice() } else { &[] };
                        reports.push(self.resource(&source, document, found, plugin, errors, named)?);
                    }
                }
            }
        }
        if reports.is_empty() {
            reports.push(self.empty(&source)?);
        }
        Ok(reports)
    }

    /// An empty file, which is valid for a plug-in whose fields all have defaults.
    fn empty(&mut self, source: &Source<'_>) -> Result<Report> {
        let start = yaml::Position { line: 1, column: 1 };
        let refused = |message| Fault::new(source.text, Span { start, end: start }, "", message);
        let Some(plugin) = self.plugin else {
            let message = "is empty: write a configuration or a WasmPlugin resource".to_owned();
            return Ok(source.report(1, None, Verdict::refused(vec![refused(message)])));
        };
        let configuration = json!({});
        let answers = self.answers(plugin)?;
        let errors = answers.check(&configuration)?;
        let verdict = match errors.is_empty() {
            true => accepted(answers, configuration)?,
            false => Verdict::refused(errors.into_iter().map(|error| refused(error.message)).collect()),
        };
        Ok(source.report(1, Some(plugin), verdict))
    }

    /// The configuration of a plug-in.
    fn fields(&mut self, source: &Source<'_>, node: &Node) -> Result<Report> {
        let Some(plugin) = self.plugin else {
            let message = format!(
                "does not say which plug-in it is for: add `--plugin <name>`, one of {}",
                self.known.list()
            );
            let error = Fault::at(source.text, node, "", message);
            return Ok(source.report(line(node), None, Verdict::refused(vec![error])));
        };
        let configuration = node.to_json();
        let errors = self.check(plugin, &configuration)?;
        let mut remarks = self.texts(source, node, plugin, &configuration, str::to_owned)?;
        if errors.is_empty() {
            let unusual = self.answers(plugin)?.remarks(&configuration);
            remarks.extend(
                unusual.iter().map(|error| Fault::at(source.text, node, error.path(), error.message())),
            );
        }
        let verdict = match errors.is_empty() {
            true => accepted(self.answers(plugin)?, configuration)?,
            false => Verdict::refused(
                errors.iter().map(|error| Fault::refused(source.text, node, error)).collect(),
            ),
        };
        Ok(Report { remarks, ..source.report(line(node), Some(plugin), verdict) })
    }

    /// Checks a resource for a plug-in that is known, in a file that was read: its name and its text.
    ///
    /// # Errors
    ///
    /// The plug-in could not be asked.
    pub fn resource_of(
        &mut self,
        (file, text): (&str, &str),
        document: &Node,
        found: &Found<'_>,
        resource: &WasmPlugin,
        errors: &[ConfigError],
    ) -> Result<Report> {
        let source = Source { file: file.to_owned(), text };
        self.resource(&source, document, found, resource, errors, false)
    }

    /// A plug-in deployed by a resource, with errors of the resource itself.
    fn resource(
        &mut self,
        source: &Source<'_>,
        document: &Node,
        found: &Found<'_>,
        resource: &WasmPlugin,
        errors: &[ConfigError],
        another_is_named: bool,
    ) -> Result<Report> {
        let line = line(found.node);
        let left_out = |place: &str, message: String, remedy: String| {
            let note = Fault::at(source.text, document, found.path(place), message);
            source.report(line, None, Verdict::LeftOut { note, remedy })
        };
        let named = self.known.named(resource);
        if let (Some(wanted), Some(named)) = (self.plugin, named)
            && wanted.name() != named.name()
        {
            let message = format!("names {}, and the command {}", named.name(), wanted.name());
            let place = if resource.spec.plugin_name.is_empty() {
                "metadata".into()
            } else {
                resource.field("pluginName")
            };
            return Ok(left_out(&place, message, "name one and the same".into()));
        }
        let Some(plugin) = named.or(self.plugin.filter(|_| !another_is_named)) else {
            let faults = self.faults(source, document, found, errors);
            if !faults.is_empty() {
                return Ok(source.report(line, None, Verdict::refused(faults)));
            }
            let name = resource.metadata.get("name").and_then(Value::as_str).unwrap_or_default();
            let of = if name.is_empty() { String::new() } else { format!("{name} ") };
            let place = if found.node.get("metadata").is_some() { "metadata" } else { "spec" };
            let remedy = format!("add `--plugin <name>`, one of {}", self.known.list());
            return Ok(left_out(place, format!("{of}does not name a known plug-in"), remedy));
        };
        let mut all: Vec<ConfigError> = errors.to_vec();
        if !all.is_empty() {
            let schema = self.answers(plugin)?.schema()?;
            for error in &mut all {
                // A field of the plug-in by its schema.
                let key = error.path().rsplit('.').next().unwrap_or_default();
                let is_own = schema.get("properties").and_then(|own| own.get(key)).is_some();
                if let Some(message) = plugin_field(error.path(), resource.control_plane)
                    .filter(|_| is_own && error.message().starts_with("is not"))
                {
                    *error = ConfigError::new(error.path(), message);
                }
            }
        }
        let mut resource = resource.clone();
        let deployment = loop {
            match resource.deployment() {
                Ok(deployment) => break deployment,
                Err(error) => {
                    // A rule with a misspelt condition has no condition.
                    if !all.iter().any(|known| known.path().starts_with(error.path())) {
                        all.push(error.clone());
                    }
                    let rule = resource
                        .spec
                        .match_rules
                        .iter_mut()
                        .enumerate()
                        .find(|(index, _)| error.path() == format!("spec.matchRules[{index}]"));
                    match rule {
                        Some((_, rule)) => rule.config_disable = true,
                        None => break Deployment::NotDeployed,
                    }
                }
            }
        };
        let mut verdict = Verdict::NotDeployed { reason: NOT_DEPLOYED };
        let mut texts = Vec::new();
        if let Deployment::Document(fields) = deployment {
            let configuration = Value::Object(fields);
            let refused = self.check(plugin, &configuration)?.into_iter().map(|error| match error.path() {
                // A text without a place is about the resource as a whole.
                "" if plugin.is_foreign() => error,
                path => ConfigError::new(resource.origin(path), error.message()),
            });
            // The missing field is explained by the misplaced one.
            let is_elsewhere = |message: &str| {
                errors.iter().any(|error| {
                    let key = error.path().rsplit('.').next().unwrap_or_default();
                    message.contains(&format!("`{key}` is missing"))
                })
            };
            let follows = |error: &ConfigError| {
                !errors.is_empty() && (error.path() == "spec" || is_elsewhere(error.message()))
            };
            all.extend(refused.filter(|error| !follows(error)));
            let place = |path: &str| found.path(&resource.origin(path));
            texts = self.texts(source, document, plugin, &configuration, place)?;
            if all.is_empty() {
                let answers = self.answers(plugin)?;
                texts.extend(
                    answers
                        .remarks(&configuration)
                        .iter()
                        .map(|error| Fault::at(source.text, document, place(error.path()), error.message())),
                );
                verdict = accepted(answers, configuration)?;
            }
        }
        if !all.is_empty() {
            verdict = Verdict::refused(self.faults(source, document, found, &all));
        }
        let mut report = source.report(line, Some(plugin), verdict);
        let remarks = resource.remarks().into_iter();
        report.remarks = remarks
            .map(|remark| Fault::at(source.text, document, found.path(&remark.path), remark.message))
            .chain(texts)
            .collect();
        Ok(report)
    }

    fn faults(
        &self,
        source: &Source<'_>,
        document: &Node,
        found: &Found<'_>,
        errors: &[ConfigError],
    ) -> Vec<Fault> {
        errors
            .iter()
            .map(|error| Fault::at(source.text, document, found.path(error.path()), error.message()))
            .collect()
    }

    /// Returns notes on strings that YAML parses as another type. `place` returns the path of a field in the document.
    fn texts(
        &mut self,
        source: &Source<'_>,
        document: &Node,
        plugin: KnownPlugin<'_>,
        configuration: &Value,
        place: impl Fn(&str) -> String,
    ) -> Result<Vec<Fault>> {
        // Without a schema, no field is known to be a string.
        let schema = self.answers(plugin)?.schema().unwrap_or_default();
        Ok(texts::remarks(source.text, document, configuration, &schema, place))
    }

    /// Returns all errors reported by the plug-in, with a hint if a field belongs to another plug-in.
    fn check(&mut self, plugin: KnownPlugin<'_>, configuration: &Value) -> Result<Vec<ConfigError>> {
        let errors = self.answers(plugin)?.check(configuration)?;
        let others = || self.known.plugins.iter().filter(|other| other.name() != plugin.name());
        Ok(errors
            .into_iter()
            .map(|error| {
                // A message with another hint is left as it is.
                let is_unknown = ["is not a known field: the fields are ", "is not a known field: remove it"]
                    .iter()
                    .any(|start| error.message.starts_with(start));
                // A field of an object in the configuration may have the name of a field of another plug-in.
                let key = error
                    .path
                    .strip_prefix("_rules_[")
                    .map_or(error.path.as_str(), |rest| rest.split_once("].").map_or("", |(_, inner)| inner));
                let is_owner = |other: &KnownPlugin<'_>| {
                    other.manifest().is_ok_and(|manifest| manifest.example.contains_key(key))
                };
                let owners: Vec<_> = others().filter(|other| is_unknown && is_owner(other)).collect();
                let message = match owners.as_slice() {
                    [] => error.message,
                    owners => {
                        let names: Vec<_> = owners.iter().map(|owner| owner.name()).collect();
                        format!("is a field of {}, not of {}: remove it", names.join(", "), plugin.name())
                    }
                };
                ConfigError::new(error.path, message)
            })
            .collect())
    }
}
