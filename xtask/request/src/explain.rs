//! What a request would meet, in words.

use std::path::Path;

use anyhow::{Result, anyhow};
use gateway::Routes;
use gateway::explain::{Applies, Explanation, Request};
use gateway::folder::{self, Fault, StageOrder};

/// Explains a request; the faults of the folder are an error.
///
/// # Errors
///
/// What is wrong in the folder, or in its routes.
pub fn explain(folder: &Path, order: StageOrder, request: &Request) -> Result<Explanation> {
    let in_words = |faults: Vec<Fault>| {
        let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    };
    let plugins = folder::read(folder, order).sound().map_err(in_words)?;
    let routes = Routes::of_folder(folder).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    Ok(gateway::explain::explain(&plugins, &routes, request)?)
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
        let applies = match &met.applies {
            Applies::Rule { field, configuration, .. } => {
                format!("{field}: {}", serde_json::Value::Object(configuration.clone()))
            }
            Applies::Default { configuration } => {
                format!("default: {}", serde_json::Value::Object(configuration.clone()))
            }
            Applies::Nothing => "nothing: no rule matches, and there is no default".into(),
            Applies::Disabled => "disabled".into(),
        };
        let (name, stage, priority) = (&met.name, met.stage, met.priority);
        line(format!("{:>2}  {name:<widest$}  {stage:<7} {priority:>5}  {applies}", number + 1));
    }
    if explanation.plugins.is_empty() {
        line("the folder has no plug-in".into());
    }
    text
}
