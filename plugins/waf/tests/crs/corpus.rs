//! The regression tests of the rules, sent to Envoy. They run at paranoia level 4 and only detect, so they say which rules see
//! what, and nothing about decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::json;
use testkit::crs::corpus;

use crate::running::{Running, Seen};

/// The settings that the tests assume. An action of the release's own settings, which precede all rules, has them.
const SETTINGS: &str = "SecRuleUpdateActionById 900990 \"pass,nolog,setvar:tx.crs_setup_version=4250,\
    setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,\
    setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,\
    setvar:tx.combined_file_sizes=65535\"";

const EXCEPTIONS: &str = include_str!("exceptions.yaml");

/// The share of the tests that pass in Envoy.
const GOAL: f64 = 98.0;

/// Rules about responses begin here.
const RESPONSES: u32 = 950_000;

/// `exceptions.yaml`: the tests that say nothing about the plug-in, and those that fail.
#[derive(Deserialize)]
struct Exceptions {
    /// The number of tests of the release that the lists are about.
    tests: usize,
    rejected: Vec<Reason>,
    rewritten: Vec<Reason>,
    misses: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
    tests: BTreeSet<String>,
}

fn names(reasons: &[Reason]) -> BTreeSet<&str> {
    reasons.iter().flat_map(|reason| &reason.tests).map(String::as_str).collect()
}

/// Returns true if these are the tests that the lists of exceptions are about.
pub fn is_listed(folder: &Path) -> Result<bool> {
    let exceptions: Exceptions = serde_yaml::from_str(EXCEPTIONS)?;
    Ok(corpus::tests(folder)?.len() == exceptions.tests)
}

/// Sends the tests.
pub fn run(folder: &Path, module: &Path) -> Result<()> {
    let exceptions: Exceptions = serde_yaml::from_str(EXCEPTIONS)?;
    let reasons = exceptions.rejected.iter().chain(&exceptions.rewritten).chain(&exceptions.misses);
    ensure!(reasons.clone().all(|reason| !reason.reason.is_empty()), "exceptions.yaml: a reason is missing");
    let tests = corpus::tests(folder)?;
    let configuration =
        json!({ "mode": "detect", "paranoia_level": 4, "hold_headers": true, "sec_rules": [SETTINGS] });
    let envoy = Running::start(module, &configuration)?;
    let start = Instant::now();
    let stages = tests.iter().flat_map(|test| &test.stages);
    let wires: Vec<&[u8]> = stages.map(|stage| stage.sent.wire.as_slice()).collect();
    let mut seen = envoy.send(&wires)?.into_iter();
    let (mut passed, mut servers, mut responses) = (0, 0, 0);
    let (mut rejected, mut wrong) = (BTreeMap::new(), BTreeMap::new());
    for test in &tests {
        let mut problems = Vec::new();
        let mut refusals = Vec::new();
        let seen: Vec<Seen> = seen.by_ref().take(test.stages.len()).collect();
        for (stage, seen) in test.stages.iter().zip(&seen) {
            let Some(log) = &stage.log else { continue };
            problems.extend(log.wrong(&seen.ids()));
            if let Some(pattern) = &log.match_regex
                && !seen.hits.iter().any(|line| line.contains(pattern))
            {
                problems.push(format!("no line matches {pattern}"));
            }
            if seen.is_rejected() && seen.hits.is_empty() {
                refusals.push(seen.details.join(" "));
            }
        }
        if test.stages.iter().all(|stage| stage.log.is_none()) {
            servers += 1;
        } else if test.rule >= RESPONSES {
            responses += 1;
        } else if !refusals.is_empty() {
            rejected.insert(test.name.as_str(), refusals.join(" "));
        } else if problems.is_empty() {
            passed += 1;
        } else {
            let seen: Vec<_> = seen.iter().map(|seen| format!("{seen:?}")).collect();
            wrong.insert(test.name.as_str(), format!("{}: {}", problems.join(", "), seen.join(" ")));
        }
    }
    let rewritten = names(&exceptions.rewritten);
    let missed: BTreeSet<&str> = wrong.keys().copied().filter(|name| !rewritten.contains(name)).collect();
    let runnable = passed + missed.len();
    let share = passed as f64 * 100.0 / runnable as f64;
    println!(
        "{passed} of {runnable} tests pass in Envoy ({share:.2} %) in {:?}; Envoy rejects {} and rewrites {}; {responses} test \
         responses and {servers} a server",
        start.elapsed(),
        rejected.len(),
        wrong.len() - missed.len(),
    );
    let is_known = tests.len() == exceptions.tests;
    print(&rejected, &names(&exceptions.rejected), "rejected by Envoy");
    print(&wrong, &rewritten.iter().copied().chain(names(&exceptions.misses)).collect(), "miss");
    ensure!(share >= GOAL, "{share:.2} % is less than {GOAL} %");
    if is_known {
        let of = |map: &BTreeMap<&str, String>| map.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        let listed = |names: BTreeSet<&str>| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        same(&of(&rejected), &listed(names(&exceptions.rejected)), "rejected")?;
        let both = rewritten.union(&names(&exceptions.misses)).copied().collect();
        same(&of(&wrong), &listed(both), "rewritten and misses")?;
    } else {
        println!(
            "exceptions.yaml is about {} tests, these are {}: names are not compared",
            exceptions.tests,
            tests.len()
        );
    }
    Ok(())
}

/// Prints the tests that are not in the list.
fn print(map: &BTreeMap<&str, String>, known: &BTreeSet<&str>, what: &str) {
    for (name, why) in map.iter().filter(|(name, _)| !known.contains(*name)) {
        println!("{what}: {name}: {why}");
    }
}

fn same(actual: &BTreeSet<String>, listed: &BTreeSet<String>, what: &str) -> Result<()> {
    let new: Vec<_> = actual.difference(listed).collect();
    let gone: Vec<_> = listed.difference(actual).collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "exceptions.yaml, {what}: not listed: {new:?}; listed without need: {gone:?}"
    );
    Ok(())
}
