//! Test programs: built once by cargo, run directly once per engine, with their results counted.

use std::env;
use std::fmt;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, TargetKind};
use workspace::Workspace;

use crate::jobs::Log;

/// Counts of test results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::commands) struct Counts {
    pub(in crate::commands) passed: u64,
    pub(in crate::commands) failed: u64,
    pub(in crate::commands) skipped: u64,
}

impl Counts {
    pub(in crate::commands) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    pub(in crate::commands) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Parses the last line of a test program:
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s`.
    fn parse(line: &str) -> Option<Self> {
        let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let number = |word: &str| {
            numbers.split("; ").find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
        };
        Some(Self { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// A test program.
pub(in crate::commands) struct Suite {
    pub(in crate::commands) package: String,
    /// The name of the test target, or of the crate for unit tests.
    pub(in crate::commands) target: String,
    pub(in crate::commands) unit: bool,
    version: String,
    folder: PathBuf,
    program: PathBuf,
}

impl Suite {
    /// Returns the display name: the package, with the test target if it differs.
    pub(in crate::commands) fn title(&self) -> String {
        if self.unit || self.target == super::CASES {
            self.package.clone()
        } else {
            format!("{} {}", self.package, self.target)
        }
    }

    /// Returns the program with the environment of `cargo test`.
    pub(in crate::commands) fn command(&self, workspace: &Workspace, libraries: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("CARGO_PKG_NAME", &self.package)
            .env("CARGO_PKG_VERSION", &self.version)
            .env("CARGO_TARGET_DIR", &workspace.target)
            .stdin(Stdio::null());
        let name = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
        let paths = env::var_os(name).unwrap_or_default();
        let paths = std::iter::once(libraries.to_path_buf()).chain(env::split_paths(&paths));
        if let Ok(paths) = env::join_paths(paths) {
            command.env(name, paths);
        }
        command
    }
}

/// Compiles the test programs of packages.
pub(in crate::commands) fn build(workspace: &Workspace, packages: &[String]) -> Result<Vec<Suite>> {
    let mut command = workspace::build::cargo();
    command.current_dir(&workspace.root).args(["test", "--locked", "--no-run"]).args(packages);
    command.arg("--message-format=json-render-diagnostics");
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let mut suites = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            let Message::CompilerArtifact(artifact) = message.context("reading cargo's messages")? else {
                continue;
            };
            let (true, Some(program)) = (artifact.profile.test, &artifact.executable) else {
                continue;
            };
            let manifest = artifact.manifest_path.as_std_path();
            // `path+file:///…/plugins/add-header#0.1.0`, or `…#name@0.1.0` if the folder has a different name.
            let (_, id) = artifact.package_id.repr.rsplit_once('#').unwrap_or_default();
            let folder = manifest.parent().unwrap_or(manifest);
            let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (package, version) =
                id.split_once('@').map_or((folder_name, id), |(name, version)| (name.to_owned(), version));
            suites.push(Suite {
                package,
                version: version.to_owned(),
                unit: !artifact.target.kind.contains(&TargetKind::Test),
                target: artifact.target.name.clone(),
                folder: folder.to_path_buf(),
                program: program.as_std_path().to_path_buf(),
            });
        }
    }
    if !child.wait().context("waiting for cargo")?.success() {
        bail!("the tests do not compile: repair what the compiler says above");
    }
    suites.sort_by(|a, b| (&a.package, !a.unit, &a.target).cmp(&(&b.package, !b.unit, &b.target)));
    Ok(suites)
}

/// Runs a program, and counts results. A program that fails without counts is one failure.
pub(super) fn run(command: Command, log: &mut Log) -> Result<Counts> {
    let name = Path::new(command.get_program()).display().to_string();
    let mut counts = Counts::default();
    let status = log.run(command, |line| {
        if let Some(of_line) = Counts::parse(line) {
            counts.add(of_line);
        }
    })?;
    if !status.success() && counts.failed == 0 {
        anstream::eprintln!("{name}: exited with {status} without a failed test");
        counts.failed = 1;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s\n";
        let counts = Counts::parse(line).unwrap();
        assert_eq!(counts, Counts { passed: 12, failed: 2, skipped: 1 });
        assert_eq!(counts.to_string(), "12 passed, 2 failed, 1 skipped");
        assert_eq!(Counts::parse("test result: none"), None);
        assert_eq!(Counts::parse("test a ... ok"), None);
        assert_eq!(Counts::default().to_string(), "0 passed, 0 failed");
    }
}
