//! Decisions at level 1 with the default threshold, beside those of libmodsecurity with the same rules.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::crs::corpus::{self, Sent};
use testkit::crs::libmodsecurity;

use crate::benign;
use crate::corpus::is_listed;
use crate::running::{Running, Seen};

/// Attacks that only libmodsecurity refuses, besides those of its own differences, with the reasons.
const PASSED: &[(&str, &str)] = &[
    ("920100-16.0", "Envoy adds `/` to a URL without a path"),
    ("920470-13.0", EMPTY_XML),
    ("920470-14.0", EMPTY_XML),
    ("921140-1.0", "Envoy forwards no carriage return in a header"),
    ("921421-10.0", EMPTY_XML),
    ("921421-8.0", EMPTY_XML),
    ("921421-9.0", EMPTY_XML),
    ("941120-49.0", REFERER),
    ("941120-50.0", REFERER),
    ("942280-3.0", REFERER),
];

const EMPTY_XML: &str = "an empty body is not XML to libmodsecurity's parser, but nothing is hidden in it";

const REFERER: &str =
    "Envoy removes a Referer that is not a URL, so the upstream does not receive the attack";

/// The rules of the module that precede those of the release.
const BODIES: &str = include_str!("../../rules/bodies.conf");

fn configuration() -> Value {
    json!({ "mode": "block", "hold_headers": true })
}

/// Sends what libmodsecurity refuses, and the other requests of the regression tests.
pub fn attacks(folder: &Path, module: &Path) -> Result<()> {
    let requests = corpus::requests(folder)?;
    let answers =
        libmodsecurity::refuses(folder, BODIES, &requests.iter().map(|(_, sent)| sent).collect::<Vec<_>>())?;
    let with = |answer: bool| {
        let both = requests.iter().zip(&answers).filter(move |(_, own)| **own == Some(answer));
        both.map(|(request, _)| request).collect::<Vec<_>>()
    };
    let (refused, harmless) = (with(true), with(false));
    let (known, attacks): (Vec<_>, Vec<_>) = refused.iter().partition(|(name, _)| {
        PASSED.iter().chain(libmodsecurity::REFUSES_ALONE).any(|(known, _)| known == name)
    });
    ensure!(attacks.len() > 1000, "{} attacks only", attacks.len());
    let envoy = Running::start(module, &configuration())?;
    let seen = send(&envoy, &attacks)?;
    let passed = seen.iter().filter(|(_, seen)| !seen.is_denied() && !seen.is_rejected());
    let passed: Vec<String> = passed.map(|(name, seen)| format!("{name}: {seen:?}")).collect();
    let rejected = seen.iter().filter(|(_, seen)| seen.is_rejected()).count();
    ensure!(
        envoy.reached_upstream() == passed.len(),
        "the upstream received {} requests, although {} passed",
        envoy.reached_upstream(),
        passed.len()
    );
    let list = passed.join("\n");
    // Other releases have other tests: what they show is to be added to the list.
    let allowed = if is_listed(folder)? { 0 } else { attacks.len() / 100 };
    ensure!(passed.len() <= allowed, "attacks that only libmodsecurity refuses:\n{list}");
    if !passed.is_empty() {
        println!("attacks that only libmodsecurity refuses, and that are not listed:\n{list}");
    }
    println!(
        "{} requests that libmodsecurity refuses are refused before the upstream receives a byte, {rejected} of them by Envoy; \
         {} pass",
        attacks.len() - passed.len(),
        known.len() + passed.len()
    );
    let mended = send(&envoy, &known)?.into_iter().filter(|(_, seen)| seen.is_denied());
    let mended: Vec<_> = mended.map(|(name, _)| name).collect();
    ensure!(mended.is_empty(), "PASSED: refused by both: {mended:?}");

    let before = envoy.reached_upstream();
    let seen = send(&envoy, &harmless)?;
    ensure!(envoy.reached_upstream() > before, "the upstream receives nothing");
    let denied = seen.iter().filter(|(_, seen)| seen.is_denied());
    let denied: Vec<String> = denied.map(|(name, seen)| format!("{name}: {}", seen.hits.join(" "))).collect();
    ensure!(denied.is_empty(), "requests that only the plug-in refuses:\n{}", denied.join("\n"));
    println!("{} other requests are refused by neither", harmless.len());
    Ok(())
}

/// Sends ordinary requests.
pub fn benign(folder: &Path, module: &Path) -> Result<()> {
    let requests = benign::load()?;
    let requests: Vec<&(String, Sent)> = requests.iter().collect();
    let answers =
        libmodsecurity::refuses(folder, BODIES, &requests.iter().map(|(_, sent)| sent).collect::<Vec<_>>())?;
    let envoy = Running::start(module, &configuration())?;
    let seen = send(&envoy, &requests)?;
    let rejected: Vec<_> = seen.iter().filter(|(_, seen)| seen.is_rejected()).collect();
    ensure!(rejected.is_empty(), "not valid: {rejected:?}");
    let mut wrong = Vec::new();
    let (mut both, mut fewer) = (Vec::new(), Vec::new());
    for ((name, seen), answer) in seen.iter().zip(&answers) {
        match (seen.is_denied(), answer) {
            (true, Some(true)) => both.push(name),
            (true, _) => wrong.push(format!("{name}: {}", seen.hits.join(" "))),
            (false, Some(true)) => fewer.push(name),
            (false, _) => {}
        }
    }
    println!(
        "of {} ordinary requests, {} are refused, by libmodsecurity as well: {both:?}; by libmodsecurity alone: {fewer:?}",
        requests.len(),
        both.len()
    );
    ensure!(wrong.is_empty(), "ordinary requests that only the plug-in refuses:\n{}", wrong.join("\n"));
    ensure!(both.len() * 20 <= requests.len(), "more than a twentieth of the ordinary requests is refused");
    Ok(())
}

fn send(envoy: &Running, requests: &[&(String, Sent)]) -> Result<Vec<(String, Seen)>> {
    let wires: Vec<&[u8]> = requests.iter().map(|(_, sent)| sent.wire.as_slice()).collect();
    let seen = envoy.send(&wires)?;
    Ok(requests.iter().map(|(name, _)| name.clone()).zip(seen).collect())
}
