//! Mutants: changes of a plug-in's code that its cases have to notice, made by cargo-mutants.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use workspace::Plugin;

use super::suite::Counts;
use super::{CASES, ENGINES, Engine, Row, Run, row};
use crate::output;

/// The file beside the cases with the files to change, by default those of the plug-in, and the changes that no case can notice, each
/// with the reason; in cargo-mutants' format.
const CONFIG: &str = "tests/mutants.toml";

impl Run<'_> {
    /// Changes the code of a plug-in in each way that cargo-mutants knows, and runs the cases natively for each. A change that
    /// no case notices is a failure.
    pub(super) fn mutants(&self, plugin: &Plugin) -> Result<Row> {
        let cargo = || {
            let mut command = workspace::build::cargo();
            command.current_dir(&self.workspace.root).arg("mutants").stdin(Stdio::null());
            command
        };
        let version = cargo().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            bail!("cargo-mutants is not installed: run `cargo install cargo-mutants --locked`");
        }
        let start = Instant::now();
        let output = self.workspace.target.join("mutants").join(&plugin.name);
        fs::create_dir_all(&output).with_context(|| format!("creating {}", output.display()))?;
        let mut command = cargo();
        command
            .args(["--workspace", "--no-shuffle", "--test-package", &plugin.name])
            // A busy machine must not look like a test that no longer ends.
            .args(["--minimum-test-timeout", "120"])
            .arg("--output")
            .arg(&output);
        let config = plugin.folder.join(CONFIG);
        let mut names_files = false;
        if config.is_file() {
            let text = fs::read_to_string(&config).with_context(|| format!("reading {}", shown(&config)))?;
            names_files = text.lines().any(|line| line.starts_with("examine_globs"));
            command.arg("--config").arg(&config);
        }
        if !names_files {
            command.arg("--file").arg(plugin.shown.join("src/**"));
        }
        // The copy of the workspace that is changed has a folder of its own for what is compiled, kept for the next run.
        command.env("CARGO_TARGET_DIR", self.workspace.target.join("mutants/target"));
        // The cases alone are built, not all tests of the packages.
        command.env(ENGINES, Engine::Native.name()).arg(format!("--cargo-arg=--test={CASES}"));
        output::step(format_args!("{} mutants", plugin.name));
        command.status().context("running cargo mutants")?;
        let found = output.join("mutants.out");
        let lines = |name: &str| -> Result<Vec<String>> {
            let file = found.join(name);
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        // A test that no longer ends notices the change, too.
        let noticed = lines("caught.txt")?.len() + lines("timeout.txt")?.len();
        let missed = lines("missed.txt")?;
        if noticed + missed.len() == 0 {
            bail!("no mutant was tested: {} has the log", shown(&found));
        }
        Ok(row(
            format!("{} mutants", plugin.name),
            Engine::Native.name(),
            counts(noticed, missed.len()),
            start,
        ))
    }
}

fn counts(noticed: usize, missed: usize) -> Counts {
    let count = |number: usize| number.try_into().unwrap_or_default();
    Counts { passed: count(noticed), failed: count(missed), ..Counts::default() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
