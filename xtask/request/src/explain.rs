//! What a request would meet, in words.

use std::path::Path;

use anyhow::{Result, anyhow};
use gateway::Routes;
use gateway::explain::{Applies, Explanation, Request};
use gateway::folder::{self, Entry, Fault, StageOrder};
use gateway::secret::Hider;
use gateway::workspace::Workspace;
use serde_json::Value;

use crate::layout::{WIDTH, below, fold};

/// Explains a request, with the secrets of configurations hidden; the faults of the folder are an error.
///
/// # Errors
///
/// What is wrong in the folder, or in its routes.
pub fn explain(
    folder: &Path,
    order: StageOrder,
    request: &Request,
    workspace: &Workspace,
    hider: &Hider,
) -> Result<Explanation> {
    let in_words = |faults: Vec<Fault>| {
        let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    };
    let plugins = folder::read(folder, order).sound().map_err(in_words)?;
    let routes = Routes::of_folder(folder).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    // What rules start from is known to the plug-in's own code alone.
    let mut failed = None;
    let mut inherits = |entry: &Entry, document: &Value| {
        let plugin = entry.source.as_deref().and_then(|name| workspace.plugin(name));
        let asked = plugin.map(|plugin| workspace.rules_start_from_global(&plugin, document));
        asked.transpose().unwrap_or_else(|error| {
            failed = Some(error);
            None
        }) == Some(true)
    };
    let mut explanation = gateway::explain::explain(&plugins, &routes, request, &mut inherits)?;
    if let Some(error) = failed {
        return Err(error);
    }
    if hider.shows() {
        return Ok(explanation);
    }
    for (met, entry) in explanation.plugins.iter_mut().zip(&plugins.plugins) {
        let (Applies::Rule { configuration, .. } | Applies::Default { configuration }) = &mut met.applies
        else {
            continue;
        };
        if configuration.is_empty() {
            continue;
        }
        // Which fields of a foreign plug-in are secret their names alone can tell.
        let plugin = entry.source.as_deref().and_then(|name| workspace.plugin(name));
        let schema = plugin.map(|plugin| workspace.schema(&plugin)).transpose()?.flatten();
        hider.configuration(configuration, schema.as_ref());
    }
    Ok(explanation)
}

/// For people.
#[must_use]
pub fn in_words(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    match (&explanation.route, &explanation.cluster) {
        (Some(route), Some(cluster)) => line(format!("route {route}, to {cluster}")),
        (Some(route), None) => line(format!("route {route}")),
        (None, Some(cluster)) => line(format!("no route of the folder, to {cluster}")),
        (None, None) => line("no route takes it: the gateway answers 404, after the plug-ins".into()),
    }
    let widest = explanation.plugins.iter().map(|met| met.name.chars().count()).max().unwrap_or_default();
    for (number, met) in explanation.plugins.iter().enumerate() {
        let (applies, configuration) = match &met.applies {
            Applies::Rule { field, configuration, inherited, .. } => (
                match inherited.as_slice() {
                    [] => format!("{field}:"),
                    names => format!("{field}, with {} of the global fields:", names.join(", ")),
                },
                Some(configuration),
            ),
            Applies::Default { configuration } => ("default:".into(), Some(configuration)),
            Applies::Nothing => ("nothing: no rule matches, and there is no default".into(), None),
            Applies::Disabled => ("disabled".into(), None),
        };
        let (name, stage, priority) = (&met.name, met.stage, met.priority);
        let heading = format!("{:>2}  {name:<widest$}  {stage:<7} {priority:>5}  {applies}", number + 1);
        match configuration {
            None => fold(&heading, WIDTH, "      ").into_iter().for_each(&mut line),
            Some(configuration) => {
                let configuration = Value::Object(configuration.clone());
                let lines = below(&heading, &configuration.to_string(), Some(&configuration), WIDTH);
                lines.into_iter().for_each(&mut line);
            }
        }
    }
    if explanation.plugins.is_empty() {
        line("the folder has no plug-in".into());
    }
    text
}
