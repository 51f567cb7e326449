//! Runs `explain`.

use anyhow::{Context as _, Result};
use gateway::explain::{self, Applies, Explanation, Request};
use gateway::secret::Redactor;
use serde_json::Value;
use workspace::build::Profile;

use super::Args;
use crate::Usage;
use crate::commands::serve::environment::Environment;
use crate::layout::{WIDTH, below, fold};

pub(crate) fn run(args: &Args) -> Result<bool> {
    gateway::folder::check(&args.folder).map_err(|error| Usage(error.to_string()))?;
    let request = Request {
        host: args.host.clone(),
        path: args.path.clone(),
        route: args.route.clone(),
        service: args.service.clone(),
        consumer: args.consumer.clone(),
    };
    let redactor = if args.show_secrets { Redactor::disabled() } else { Redactor::default() };
    let Environment { plugins, .. } = Environment::find(Profile::WasmDev)?;
    let order = args.stage_order.into();
    let explanation =
        explain::explain_folder(&args.folder, order, &request, plugins.as_ref().ok(), &redactor)?;
    if args.json {
        let json = serde_json::to_string_pretty(&explanation).context("writing JSON")?;
        anstream::println!("{json}");
    } else {
        anstream::print!("{}", text(&explanation));
    }
    Ok(true)
}

/// The explanation for people.
fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    match (&explanation.route, &explanation.cluster) {
        (Some(route), Some(cluster)) => line(format!("route {route}, to {cluster}")),
        (Some(route), None) => line(format!("route {route}")),
        (None, Some(cluster)) => line(format!("no route of the folder, to {cluster}")),
        (None, None) => line("no route matches: the gateway responds 404, after the plug-ins".into()),
    }
    let widest =
        explanation.plugins.iter().map(|plugin| plugin.name.chars().count()).max().unwrap_or_default();
    for (number, plugin) in explanation.plugins.iter().enumerate() {
        let (applies, configuration) = match &plugin.applies {
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
        let (name, stage, priority) = (&plugin.name, plugin.stage, plugin.priority);
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
