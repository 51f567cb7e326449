//! `verify`: lists the consumers that accept an image.

use anyhow::Result;
use oci::Reader;
use serde::Serialize;

use crate::catalogue::Choice;
use crate::image::{Consumer, Verdict, verdicts};
use crate::output::{self, BOLD, DIM, mark, styled};
use crate::{open, registry};

/// List the gateways and tools that accept an image
///
/// Checks an image in an OCI layout (built by any tool), in a registry or in the catalogue against the rules of each consumer.
/// Every blob is compared with its digest first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask verify dist/request-block/image      the folder of a layout
  cargo xtask verify dist/request-block/image.tar  an archive of it
  cargo xtask verify oci://registry.example.com/plugins/request-block:1.0.0
  cargo xtask verify image.tar --for istio --for higress
                                                   fail unless both take it
  cargo xtask verify image.tar --json | jq '.verdicts[] | select(.takes)'

Exit codes: 0 accepted by at least one consumer and all of `--for`, 1 rejected or damaged, 2 usage error.")]
pub(crate) struct Args {
    /// The folder or archive of a layout, or an image in a registry.
    #[arg(value_name = "LAYOUT|oci://…")]
    image: String,
    /// Fail unless this consumer accepts the image; may be repeated.
    #[arg(long = "for", value_enum)]
    wanted: Vec<Consumer>,
    #[command(flatten)]
    catalogue: Choice,
    #[command(flatten)]
    access: registry::Access,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    image: String,
    digest: String,
    /// The image for linux/amd64 in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<String>,
    verdicts: Vec<Verdict>,
    /// Media types of attached artifacts, such as a bill of materials.
    attached: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let layout = open::image(&args.image, &args.catalogue, &args.access)?;
    let descriptor = layout.top()?;
    let pinned = args.image.contains("@sha256:");
    let resolved = Reader::Fetcher.image(&layout, descriptor).ok().map(|fetched| fetched.descriptor.digest);
    let subjects =
        [Some(&descriptor.digest), resolved.as_ref().filter(|digest| **digest != descriptor.digest)];
    let attached = subjects.into_iter().flatten().flat_map(|subject| layout.referrers(subject));
    let attached: Vec<String> =
        attached.filter_map(|(descriptor, _)| descriptor.artifact_type.clone()).collect();
    let found = Found {
        image: args.image.clone(),
        digest: descriptor.digest.clone(),
        verdicts: verdicts(&layout, descriptor, pinned),
        resolved: resolved.filter(|digest| *digest != descriptor.digest),
        attached,
    };
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print(&found);
    }
    let takes =
        |wanted: &Consumer| found.verdicts.iter().any(|verdict| verdict.consumer == *wanted && verdict.takes);
    Ok(found.verdicts.iter().any(|verdict| verdict.takes) && args.wanted.iter().all(takes))
}

fn print(found: &Found) {
    anstream::println!("{}", styled(BOLD, &found.image));
    anstream::println!("{}", found.digest);
    if let Some(resolved) = &found.resolved {
        anstream::println!("  an index; fetchers choose {resolved} (linux/amd64)");
    }
    for attached in &found.attached {
        anstream::println!("  with {attached}");
    }
    for verdict in &found.verdicts {
        anstream::println!("{} {}", mark(verdict.takes), verdict.consumer.title());
        for rule in &verdict.rules {
            anstream::println!("    {} {:<12} {}", mark(rule.ok), rule.rule, styled(DIM, &rule.detail));
        }
    }
    anstream::println!();
    let rows: Vec<Vec<String>> = found
        .verdicts
        .iter()
        .map(|verdict| {
            let why: Vec<String> = verdict
                .rules
                .iter()
                .filter(|rule| !rule.ok)
                .map(|rule| format!("{}: {}", rule.rule, rule.detail))
                .collect();
            let takes = if verdict.takes { "yes" } else { "no" };
            vec![verdict.consumer.title().to_owned(), takes.to_owned(), why.join("; ")]
        })
        .collect();
    output::table(&["consumer", "takes it", "why not"], &[], &rows);
}
