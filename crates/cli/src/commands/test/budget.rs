//! Compares the costs of cases in the embedded engine with the budgets of `plugin.yaml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use resource::Cost;
use serde::Deserialize;
use workspace::Plugin;

use super::suite::Counts;
use text::thousands;

use crate::output;

/// Reads the costs recorded by the test program.
pub(super) fn measured(file: &Path) -> Result<BTreeMap<String, Cost>> {
    #[derive(Deserialize)]
    struct Line {
        case: String,
        instructions: u64,
        host_calls: u64,
    }
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let line = |line| {
        let Line { case, instructions, host_calls } = serde_json::from_str(line)?;
        Ok((case, Cost { instructions, host_calls }))
    };
    text.lines().map(line).collect()
}

/// Compares costs with budgets and reports cases over budget. If all cases should have run, a missing one is a failure.
pub(super) fn compare(plugin: &Plugin, measured: &BTreeMap<String, Cost>, all: bool) -> Result<Counts> {
    let mut counts = Counts::default();
    let file = plugin.shown.join("plugin.yaml");
    for (case, allowed) in plugin.manifest()?.budget.cases {
        let over = match measured.get(&case) {
            Some(cost) => over(*cost, allowed),
            None if all => Some("no passed case has this name".to_owned()),
            None => continue,
        };
        match over {
            None => counts.passed += 1,
            Some(over) => {
                counts.failed += 1;
                output::error(&anyhow!("{}: budget.cases: `{case}`: {over}", file.display()));
            }
        }
    }
    if counts.failed > 0 {
        let remedy =
            format!("make them cheaper, or `cargo xtask test {} --engine wasm --bless`", plugin.name);
        output::step(format_args!("{} over budget: {remedy}", counts.failed));
    }
    Ok(counts)
}

fn over(cost: Cost, allowed: Cost) -> Option<String> {
    let pairs = [
        ("instructions", cost.instructions, allowed.instructions),
        ("host calls", cost.host_calls, allowed.host_calls),
    ];
    let over = pairs.iter().filter(|(_, cost, allowed)| cost > allowed);
    let over = over.map(|(what, cost, allowed)| {
        format!("{} {what}, of at most {}", thousands(*cost), thousands(*allowed))
    });
    let over = over.collect::<Vec<_>>().join("; ");
    (!over.is_empty()).then_some(over)
}

/// Writes the measured costs to `plugin.yaml`, and reports how many budgets changed.
pub(super) fn bless(plugin: &Plugin, measured: &BTreeMap<String, Cost>) -> Result<usize> {
    let file = plugin.folder.join("plugin.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let (blessed, changed) = rewrite(&text, measured);
    if changed > 0 {
        fs::write(&file, blessed).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(changed)
}

/// Returns the text with the measured costs, and the number of changes. Each budget is a separate line.
fn rewrite(text: &str, measured: &BTreeMap<String, Cost>) -> (String, usize) {
    let mut changed = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let cost = case_of(line)
            .and_then(|(case, allowed)| measured.get(&case).copied().filter(|cost| *cost != allowed));
        let (Some(Cost { instructions, host_calls }), Some((name, _))) = (cost, line.rsplit_once(": {"))
        else {
            return line.to_owned();
        };
        changed += 1;
        format!("{name}: {{ instructions: {instructions}, host_calls: {host_calls} }}\n")
    });
    (lines.collect(), changed)
}

/// Parses the budget on a line of `plugin.yaml`.
fn case_of(line: &str) -> Option<(String, Cost)> {
    let budget: BTreeMap<String, Cost> = serde_yaml::from_str(line.trim()).ok()?;
    budget.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "budget:\n  size: 1\n  cases:\n    a case: { instructions: 10, host_calls: 2 }\n    \
                        \"b: quoted\": { instructions: 0, host_calls: 0 }\nexample: {}\n";

    #[test]
    fn what_is_over_names_both_figures() {
        let allowed = Cost { instructions: 1_000, host_calls: 2 };
        assert_eq!(over(allowed, allowed), None);
        let more = Cost { instructions: 1_001, host_calls: 3 };
        assert_eq!(
            over(more, allowed).unwrap(),
            "1,001 instructions, of at most 1,000; 3 host calls, of at most 2"
        );
    }

    #[test]
    fn blessing_writes_the_budgets_alone() {
        let measured = [
            ("a case".to_owned(), Cost { instructions: 9, host_calls: 2 }),
            ("b: quoted".to_owned(), Cost { instructions: 5, host_calls: 1 }),
            ("without a budget".to_owned(), Cost { instructions: 5, host_calls: 1 }),
        ];
        let measured = measured.into_iter().collect();
        let (blessed, changed) = rewrite(YAML, &measured);
        assert_eq!(changed, 2);
        let wanted = YAML
            .replace("instructions: 10", "instructions: 9")
            .replace("{ instructions: 0, host_calls: 0 }", "{ instructions: 5, host_calls: 1 }");
        assert_eq!(blessed, wanted);
        assert_eq!(rewrite(&blessed, &measured), (wanted, 0));
    }
}
