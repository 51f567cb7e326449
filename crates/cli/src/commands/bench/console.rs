//! `bench console`: how soon changes in the console have an effect, and how large folders behave.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Args;
use crate::output::table;
use crate::{open, page};

/// What the script measures: its name in JSON, and in the table with its unit.
const FIGURES: [(&str, &str); 12] = [
    ("rounds", "rounds, of which the median counts"),
    ("start", "ms until the console responds after its start, beside the start of Envoy"),
    ("configuration", "ms until a saved configuration is in force in Envoy"),
    ("plugin", "ms until a plug-in that Envoy has not loaded responds"),
    ("edit", "ms until a file edited on disk shows in an open page"),
    ("listed", "ms until the marketplace shows 200 plug-ins"),
    ("renderedCards", "rendered cards of 200"),
    ("longestFrame", "ms of the longest frame while scrolling through them"),
    ("shown", "ms until the page of a plug-in shows 1,000 rules"),
    ("renderedRules", "rendered rules of 1,000"),
    ("longestFrameOfRules", "ms of the longest frame while scrolling through them"),
    ("scripts", "bytes of compressed scripts and styles at the first load"),
];

pub(super) fn run(args: &Args) -> Result<bool> {
    let workspace = open::workspace()?;
    let printed = page::script(&workspace.root, "bench", &[])?;
    let figures: Value = serde_json::from_str(printed.trim()).context("reading the figures")?;
    if args.json {
        anstream::println!("{figures:#}");
        return Ok(true);
    }
    let rows: Vec<Vec<String>> = FIGURES
        .iter()
        .filter_map(|(name, meaning)| Some(vec![figures.get(name)?.to_string(), (*meaning).to_owned()]))
        .collect();
    table(&["figure", "meaning"], &[0], &rows);
    Ok(true)
}
