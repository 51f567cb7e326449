//! `plugin list` and `plugin show`.

use anyhow::Result;
use gateway::folder::Entry;
use resource::Deployment;
use serde::Serialize;
use serde_json::Value;

use super::folder::open;
use super::{Order, Where};
use crate::output::{self, BOLD, styled};
use crate::program;

/// List the plug-ins in the order of requests; responses have the reverse order
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ListArgs {
    /// The order of stages.
    #[arg(long, value_enum, default_value = "mse")]
    stage_order: Order,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// Show a plug-in with its configuration
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShowArgs {
    /// The name, or `namespace/name`.
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// The properties of a plug-in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'e> {
    name: &'e str,
    namespace: &'e str,
    title: Option<&'e str>,
    description: Option<&'e str>,
    language: Option<&'e str>,
    /// True for a plug-in of this workspace, which cannot be edited or deleted.
    built_in: bool,
    enabled: bool,
    stage: &'static str,
    priority: i32,
    fail_strategy: &'static str,
    url: &'e str,
    rules: usize,
    file: String,
    line: usize,
}

impl<'e> From<&'e Entry> for Told<'e> {
    fn from(entry: &'e Entry) -> Self {
        let spec = &entry.resource.spec;
        Self {
            name: &entry.name,
            namespace: &entry.namespace,
            title: entry.title.as_deref(),
            description: entry.description.as_deref(),
            language: entry.language.as_deref(),
            built_in: entry.source.is_some(),
            enabled: entry.enabled,
            stage: entry.stage.name(),
            priority: entry.priority,
            fail_strategy: spec.fail_strategy.name(),
            url: &spec.url,
            rules: spec.match_rules.len(),
            file: entry.file.display().to_string(),
            line: entry.line,
        }
    }
}

pub(super) fn list(args: &ListArgs) -> Result<bool> {
    let shelf = open(&args.place, args.stage_order.into())?;
    let told: Vec<Told<'_>> = shelf.content.plugins.iter().map(Told::from).collect();
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(shelf.content.faults.is_empty());
    }
    if told.is_empty() {
        let add = program::text("`cargo xtask plugin add request-block` adds one");
        anstream::eprintln!("{} has no plug-in: {add}", shelf.folder.display());
    } else {
        let rows: Vec<Vec<String>> = told
            .iter()
            .map(|plugin| {
                vec![
                    plugin.stage.into(),
                    plugin.priority.to_string(),
                    plugin.name.into(),
                    if plugin.enabled { "enabled" } else { "disabled" }.into(),
                    plugin.rules.to_string(),
                    if plugin.built_in { "built-in" } else { "custom" }.into(),
                    plugin.language.unwrap_or("-").into(),
                    plugin.title.unwrap_or("-").into(),
                ]
            })
            .collect();
        let headings = ["stage", "priority", "plug-in", "state", "rules", "kind", "language", "title"];
        output::table(&headings, &[1, 4], &rows);
    }
    Ok(shelf.content.faults.is_empty())
}

pub(super) fn show(args: &ShowArgs) -> Result<bool> {
    let shelf = open(&args.place, gateway::folder::StageOrder::Mse)?;
    let entry = shelf.find(&args.name)?;
    let told = serde_json::to_value(Told::from(entry))?;
    let document = match entry.resource.deployment()? {
        Deployment::Document(document) => Some(Value::Object(document)),
        Deployment::NotDeployed => None,
    };
    if args.json {
        let mut told = told;
        if let Some(told) = told.as_object_mut() {
            told.insert("document".into(), document.unwrap_or_default());
        }
        anstream::println!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(true);
    }
    for (key, value) in told.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        anstream::println!("{} {value}", styled(BOLD, format!("{key:<13}")));
    }
    match document {
        Some(document) => anstream::println!("{}\n{document:#}", styled(BOLD, "document")),
        None => anstream::println!("{} none: a cluster would not run it", styled(BOLD, "document     ")),
    }
    Ok(true)
}
