//! `schema`: the schema of a plug-in, for consoles and editors.

use anyhow::Result;
use serde_json::json;
use workspace::schema::for_consoles;

use crate::catalogue::Choice;
use marketplace::KnownPlugin;

/// Print the schema of a plug-in's configuration
///
/// OpenAPI v3 in the format of a console's `spec.yaml`, with descriptions in English and Chinese, ranges, defaults and
/// the example of `plugin.yaml`. It is generated from the plug-in's Rust types and their documentation.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask schema request-block
  cargo xtask schema request-block --json | jq .configSchema.openAPIV3Schema.properties")]
pub(crate) struct Args {
    /// The plug-in; case and `-`/`_` do not matter.
    plugin: String,
    #[command(flatten)]
    catalogue: Choice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let sources = args.catalogue.sources()?;
    let plugin = sources.known().plugin(&args.plugin)?;
    let schema = plugin.answers()?.schema()?;
    // That of an image is one for consoles.
    let schema = match plugin {
        KnownPlugin::Workspace(..) => for_consoles(schema, &plugin.manifest()?),
        _ => schema,
    };
    let schema = json!({ "configSchema": { "openAPIV3Schema": schema } });
    if args.json {
        anstream::println!("{schema:#}");
    } else {
        anstream::print!("{}", resource::yaml::write(&schema)?);
    }
    Ok(true)
}
