//! `waf`: chores of the plug-in `waf`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use marketplace::tune::{Proposal, Tuner, Tuning};
use serde_json::{Value, json};

use crate::{Usage, output};

/// Work with the firewall: propose exclusions from what its rules have matched
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Tune(Tune),
}

/// Propose exclusions for the harmless requests that rules of the firewall have matched
///
/// Reads access logs with `%FILTER_STATE(wasm.waf:PLAIN)%`, as JSON or text, and traces of `request --trace --json`. Matches are
/// grouped by rule, variable and path, and a configuration of the plug-in with an `exclude` entry for each is printed.
///
/// Review every entry: an attack matches rules as well, and an exclusion lets it pass.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask waf tune access.log > tuned.yaml
  cargo xtask config tuned.yaml --plugin waf       what the plug-in says to it
  kubectl logs -n istio-system deploy/gateway | cargo xtask waf tune - --min-requests 10
  cargo xtask waf tune access.log --json           with the counts, for scripts

Of a JSON line, the field whose name contains `waf` has the matches, and `path` the path. A line of text has both between spaces or
quotes, the path in a request such as \"GET /path HTTP/1.1\".

Exit codes: 0 success, lines that cannot be read included, 1 no line could be read, 2 usage error.")]
pub(crate) struct Tune {
    /// Access logs or traces; `-` reads the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Leave out what fewer requests have matched.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    min_requests: u64,
    /// The field of JSON logs with the matches. [default: the one whose name contains `waf`]
    #[arg(long, value_name = "NAME")]
    field: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Lines that are shown of those that cannot be read.
const MAX_SHOWN: usize = 5;

pub(crate) fn run(command: &Command) -> Result<bool> {
    let Command::Tune(args) = command;
    let mut tuner = Tuner::new(args.field.as_deref());
    for file in &args.files {
        let name = file.display().to_string();
        if name == "-" {
            tuner.read("stdin", io::stdin().lock()).context("cannot read the standard input")?;
            continue;
        }
        if file.is_dir() {
            bail!(Usage(format!("{name} is a folder: name the access logs or traces in it")));
        }
        let reader = File::open(file).map_err(|error| {
            Usage(format!("{name} cannot be read: {error}: name an access log, or a trace"))
        })?;
        tuner.read(&name, BufReader::new(reader)).with_context(|| format!("cannot read {name}"))?;
    }
    let tuning = tuner.finish(args.min_requests);
    if args.json {
        anstream::println!("{:#}", as_json(&tuning));
    } else {
        if !tuning.proposals.is_empty() {
            anstream::print!("{}", resource::yaml::write(&tuning.configuration())?);
        }
        report(&tuning);
    }
    Ok(tuning.requests > 0 || tuning.skipped.is_empty())
}

/// Reports on stderr, because stdout is for the configuration.
fn report(tuning: &Tuning) {
    for skipped in tuning.skipped.iter().take(MAX_SHOWN) {
        output::warning(format_args!("{}:{}: {}", skipped.file, skipped.line, skipped.reason));
    }
    for (field, requests) in &tuning.fields {
        let requests = match requests {
            1 => "1 request needs".to_owned(),
            requests => format!("{requests} requests need"),
        };
        output::warning(format_args!("{requests} `{field}`, which is better than an exclusion"));
    }
    if tuning.matched == 0 {
        output::warning("no request matched: the log must contain `%FILTER_STATE(wasm.waf:PLAIN)%`");
    }
    let skipped = match tuning.skipped.len() {
        0 => String::new(),
        1 => ", 1 line skipped".to_owned(),
        lines => format!(", {lines} lines skipped"),
    };
    let (matched, requests, proposals) = (tuning.matched, tuning.requests, tuning.proposals.len());
    let exclusions = if proposals == 1 { "exclusion" } else { "exclusions" };
    output::step(format_args!(
        "{matched} of {requests} requests matched: {proposals} {exclusions} to review{skipped}"
    ));
}

fn as_json(tuning: &Tuning) -> Value {
    let entry = |proposal: &Proposal| {
        let mut entry = proposal.entry();
        if let Value::Object(fields) = &mut entry {
            fields.insert("requests".to_owned(), proposal.requests.into());
            fields.insert("maxScore".to_owned(), proposal.score.into());
        }
        entry
    };
    let skipped = tuning.skipped.iter();
    json!({
        "requests": tuning.requests,
        "matched": tuning.matched,
        "exclude": tuning.proposals.iter().map(entry).collect::<Vec<_>>(),
        "fields": tuning.fields.iter().map(|(field, requests)| json!({ "field": field, "requests": requests })).collect::<Vec<_>>(),
        "skipped": skipped
            .map(|skipped| json!({ "file": skipped.file, "line": skipped.line, "reason": skipped.reason }))
            .collect::<Vec<_>>(),
    })
}
