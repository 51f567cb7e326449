//! `catalogue`: the plug-ins of a catalogue.

use anyhow::Result;
use oci::catalogue::Index;

use crate::catalogue::{Choice, required};
use crate::output;
use crate::registry::{self, Access};

/// List the plug-ins of a catalogue
///
/// Without an argument, the catalogue of this installation: images of plug-ins that `serve`, `verify`, `config` and `plugin
/// add` use without a network. With one, the index of a published catalogue.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask catalogue                       the plug-ins that came with this program
  cargo xtask catalogue --json | jq -r '.plugins[].name'
  cargo xtask catalogue oci://registry.example.com/plugins/catalogue:1.0.0
  cargo xtask package --catalogue             makes one of the plug-ins of a workspace, in dist/catalogue

Exit codes: 0 printed, 1 failed, 2 usage error.")]
pub(crate) struct Args {
    /// A published catalogue.
    #[arg(value_name = "oci://…", conflicts_with = "catalogue")]
    image: Option<String>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    access: Access,
    /// Print the index as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let index = match &args.image {
        Some(image) => Index::from_artifact(&registry::fetch(image, &args.access)?)?,
        None => required(&args.choice)?.index().clone(),
    };
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&index)?);
        return Ok(true);
    }
    let rows: Vec<Vec<String>> = index
        .plugins
        .iter()
        .map(|entry| {
            let chinese = entry.titles.get("zh-CN").map_or("", String::as_str);
            [&entry.name, &entry.version, entry.title(), chinese, &entry.digest].map(ToOwned::to_owned).into()
        })
        .collect();
    output::table(&["plug-in", "version", "title", "标题", "digest"], &[], &rows);
    Ok(true)
}
