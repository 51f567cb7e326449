//! What a document is: a plug-in's fields or a resource, of which plug-in, and what it comes to.

use std::path::Path;

use anyhow::Result;
use config::ConfigError;
use config::resource::{Deployment, WasmPlugin};
use config::yaml::{self, Fault, Node, Span};
use serde_json::{Value, json};

use super::Checker;
use super::verdict::{Report, Verdict};
use crate::helper::Helper;
use crate::names::canonical;
use crate::workspace::{Plugin, Workspace};

const NOT_DEPLOYED: &str = "`defaultConfigDisable` is set, and no match rule is in force";

/// The text that a document stands in.
struct Source<'t> {
    file: String,
    text: &'t str,
}

impl Source<'_> {
    fn report(&self, line: usize, plugin: Option<&Plugin>, verdict: Verdict) -> Report {
        let plugin = plugin.map(|plugin| plugin.name.clone());
        Report { file: self.file.clone(), line, plugin, verdict, remarks: Vec::new() }
    }

    fn refused(
        &self,
        node: &Node,
        plugin: Option<&Plugin>,
        path: &str,
        message: impl Into<String>,
    ) -> Report {
        let error = Fault::at(self.text, node, path, message);
        self.report(line(node), plugin, Verdict::Refused { error })
    }
}

fn line(node: &Node) -> usize {
    node.span().start.line
}

fn accepted(helper: &Helper, configuration: Value) -> Result<Verdict> {
    let rules_start_from_global = helper.rules_start_from_global()?;
    Ok(Verdict::Accepted { configuration, rules_start_from_global })
}

impl Checker<'_> {
    /// Checks every document of a file.
    pub(crate) fn file(&mut self, file: &Path, text: &str) -> Result<Vec<Report>> {
        let source = Source { file: file.display().to_string(), text };
        let documents = match yaml::read(text) {
            Ok(documents) => documents,
            Err(error) => {
                let error = Fault::no_yaml(text, error);
                return Ok(vec![source.report(error.line, self.plugin, Verdict::Refused { error })]);
            }
        };
        // `---` with nothing behind it is no document to a cluster.
        let documents: Vec<Node> = documents.into_iter().filter(|node| !node.to_json().is_null()).collect();
        if documents.is_empty() {
            return Ok(vec![self.empty(&source)?]);
        }
        documents.iter().map(|node| self.document(&source, node)).collect()
    }

    /// A file in which nothing stands: for a plug-in whose fields all have defaults, good.
    fn empty(&mut self, source: &Source<'_>) -> Result<Report> {
        let start = yaml::Position { line: 1, column: 1 };
        let refused = |message| Verdict::Refused {
            error: Fault::new(source.text, Span { start, end: start }, "", message),
        };
        let Some(plugin) = self.plugin else {
            let message = "is empty: write a configuration or a WasmPlugin resource".to_owned();
            return Ok(source.report(1, None, refused(message)));
        };
        let configuration = json!({});
        let helper = self.helper(plugin)?;
        let verdict = match helper.check(&configuration)? {
            None => accepted(helper, configuration)?,
            Some(refusal) => refused(refusal.message),
        };
        Ok(source.report(1, Some(plugin), verdict))
    }

    fn document(&mut self, source: &Source<'_>, node: &Node) -> Result<Report> {
        let is_resource = node.get("apiVersion").is_some()
            || (node.get("kind").is_some() && (node.get("metadata").is_some() || node.get("spec").is_some()));
        if is_resource { self.resource(source, node) } else { self.fields(source, node) }
    }

    /// A plug-in's configuration as it is.
    fn fields(&mut self, source: &Source<'_>, node: &Node) -> Result<Report> {
        let Some(plugin) = self.plugin else {
            let message = format!(
                "does not say which plug-in it is for: add `--plugin <name>`, one of {}",
                known(self.workspace)
            );
            return Ok(source.refused(node, None, "", message));
        };
        let configuration = node.to_json();
        let helper = self.helper(plugin)?;
        Ok(match helper.check(&configuration)? {
            None => source.report(line(node), Some(plugin), accepted(helper, configuration)?),
            Some(refusal) => source.refused(node, Some(plugin), &refusal.path, refusal.message),
        })
    }

    fn resource(&mut self, source: &Source<'_>, node: &Node) -> Result<Report> {
        let kind = node.get("kind").map(Node::to_json).unwrap_or_default();
        if let Some(other) = kind.as_str().filter(|kind| *kind != "WasmPlugin") {
            let message = format!(
                "is {other}, and only a WasmPlugin configures a plug-in: leave this document out, or write WasmPlugin"
            );
            return Ok(source.refused(node, self.plugin, "kind", message));
        }
        let at = |error: ConfigError| source.refused(node, self.plugin, error.path(), error.message());
        let resource = match WasmPlugin::from_json(&node.to_json()) {
            Ok(resource) => resource,
            Err(error) => return Ok(at(error)),
        };
        let named = named(&resource, self.workspace);
        if let (Some(wanted), Some(named)) = (self.plugin, named)
            && wanted.name != named.name
        {
            let message =
                format!("names {}, and the command {}: name one and the same", named.name, wanted.name);
            let place = if resource.spec.plugin_name.is_empty() { "metadata" } else { "spec.pluginName" };
            return Ok(source.refused(node, Some(wanted), place, message));
        }
        let Some(plugin) = self.plugin.or(named) else {
            let message = format!(
                "names no plug-in of this workspace: add `--plugin <name>`, one of {}",
                known(self.workspace)
            );
            let place = if node.get("metadata").is_some() { "metadata" } else { "spec" };
            return Ok(source.refused(node, None, place, message));
        };
        let mut report = match resource.deployment() {
            Err(error) => source.refused(node, Some(plugin), error.path(), error.message()),
            Ok(Deployment::NotDeployed) => {
                source.report(line(node), Some(plugin), Verdict::NotDeployed { reason: NOT_DEPLOYED })
            }
            Ok(Deployment::Document(document)) => {
                let configuration = Value::Object(document);
                let helper = self.helper(plugin)?;
                match helper.check(&configuration)? {
                    None => source.report(line(node), Some(plugin), accepted(helper, configuration)?),
                    Some(refusal) => {
                        source.refused(node, Some(plugin), &resource.origin(&refusal.path), refusal.message)
                    }
                }
            }
        };
        let remarks = resource.remarks().into_iter();
        report.remarks =
            remarks.map(|remark| Fault::at(source.text, node, remark.path, remark.message)).collect();
        Ok(report)
    }
}

/// The plug-in of this workspace that a resource names: by `pluginName`, by the last part of its `url`, or by
/// its own name, each with or without a version.
fn named<'w>(resource: &WasmPlugin, workspace: &'w Workspace) -> Option<&'w Plugin> {
    let name = resource.metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    let url = resource.spec.url.split('@').next().unwrap_or_default();
    let mut parts = url.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let image = last.split(':').next().unwrap_or_default();
    let candidates = [
        resource.spec.plugin_name.as_str(),
        image,
        image.trim_end_matches(".wasm"),
        // `…/request-block/plugin.wasm`, and `…/request-block/1.0.0/plugin.wasm`.
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        name,
    ];
    candidates.into_iter().find_map(|candidate| {
        let candidate = canonical(candidate);
        let plugins = || workspace.plugins.iter().chain(&workspace.fixtures);
        let exact = plugins().find(|plugin| plugin.name == candidate);
        exact.or_else(|| plugins().find(|plugin| plugin.name == without_version(&candidate)))
    })
}

/// `request-block-1.0.0` is request-block.
fn without_version(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((name, version)) if version.split('.').all(|part| part.parse::<u32>().is_ok()) => name,
        _ => name,
    }
}

fn known(workspace: &Workspace) -> String {
    workspace.plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>().join(", ")
}
