//! The tests of the console's page: its linter, its types, its build, and the page in a real browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::suite::Counts;
use super::{Engine, Row, Run, row};
use crate::jobs::Log;
use crate::node::Node;
use crate::{full, output, page};

/// The name on the command line.
pub(super) const NAME: &str = "console";

/// The package of the server.
pub(super) const PACKAGE: &str = "portcullis-console";

/// The test target of the API, some of whose tests need Envoy.
pub(super) const API: &str = "api";

/// The steps without a browser, each an npm script.
const SCRIPTS: [&str; 4] = ["lint", "typecheck", "build", "size"];

impl Run<'_> {
    /// Checks and builds the page, and runs its tests in Chromium.
    pub(super) fn page(&self, log: &mut Log) -> Result<Vec<Row>> {
        if self.args.without_browser {
            return Ok(Vec::new());
        }
        let sources = page::sources(&self.workspace.root);
        if !sources.join("package.json").is_file() {
            // A workspace of an author's own has no console.
            return Ok(Vec::new());
        }
        let start = Instant::now();
        let mut counts = Counts::default();
        let ready = page::npm(&sources).and_then(|_| page::install(&sources));
        let steps = SCRIPTS.map(|script| (script, script_of(&sources, script, log)));
        for (script, step) in [("npm ci", ready)].into_iter().chain(steps) {
            match step {
                Ok(()) => counts.passed += 1,
                Err(error) => {
                    output::error(&error.context(format!("the page of the console: {script}")));
                    counts.failed += 1;
                }
            }
        }
        let mut rows = vec![row("console page".into(), "", counts, start)];
        if self.args.engine.contains(&Engine::Envoy) {
            let start = Instant::now();
            let counts = self.browser(&sources, log).unwrap_or_else(|error| {
                output::error(&error);
                Counts { failed: 1, ..Counts::default() }
            });
            rows.push(row("console in Chromium".into(), "", counts, start));
        }
        Ok(rows)
    }

    /// Runs the tests of the page against the real program.
    fn browser(&self, sources: &Path, log: &mut Log) -> Result<Counts> {
        let chromium = page::chromium()?;
        log.step("building the program with the console");
        let built = full::build(&[full::CONSOLE], false)?;
        // Other tests build the program without the console, in the same place.
        let program = self.workspace.target.join("console").join("portcullis");
        fs::create_dir_all(program.with_file_name("")).context("making a folder for the program")?;
        // One that runs cannot be written to.
        let _ = fs::remove_file(&program);
        fs::copy(&built, &program).with_context(|| format!("copying {}", built.display()))?;
        let report = tempfile::NamedTempFile::new().context("creating a file for the results")?;
        let mut tests: Vec<PathBuf> = fs::read_dir(sources.join("tests"))
            .context("reading the tests of the page")?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
            .collect();
        tests.sort();
        log.step("console in Chromium");
        let mut node = Node::find()?.node(sources);
        node.args(["--test", "--test-concurrency=2"]);
        node.args(["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=tap"]);
        node.arg(format!("--test-reporter-destination={}", report.path().display())).args(tests);
        node.env(page::PROGRAM, program).env(page::CHROMIUM, chromium);
        let status = log.run(node, |_| {})?;
        let text = fs::read_to_string(report.path()).context("reading the results")?;
        let mut counts = results(&text);
        if !status.success() && counts.failed == 0 {
            counts.failed = 1;
        }
        if counts.is_empty() {
            bail!("node has run no test of the page");
        }
        Ok(counts)
    }
}

/// Runs an npm script of the page.
fn script_of(sources: &Path, script: &str, log: &mut Log) -> Result<()> {
    log.step(format_args!("console: npm run {script}"));
    let mut command = page::npm(sources)?;
    command.args(["run", "--silent", script]);
    if !log.run(command, |_| {})?.success() {
        bail!("`npm run {script}` failed: see above");
    }
    Ok(())
}

/// The results in a report of `node --test` in TAP: its last lines are `# pass 12` and others.
fn results(report: &str) -> Counts {
    let number = |name: &str| {
        let line = report.lines().rev().find_map(|line| line.strip_prefix(&format!("# {name} ")));
        line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    Counts {
        passed: number("pass"),
        failed: number("fail") + number("cancelled"),
        skipped: number("skipped") + number("todo"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_node_are_counted() {
        let report = "TAP version 13\n# pass 9\nok 1 - a\n1..1\n# tests 5\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n";
        assert_eq!(results(report), Counts { passed: 2, failed: 2, skipped: 1 });
        assert!(results("").is_empty());
    }
}
