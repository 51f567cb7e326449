//! A wall clock for one Envoy, set by whoever compares it with the mock host.
//!
//! Envoy has no option for this, so a library that is preloaded into it answers in place of the system. Its timers have
//! another clock and run as always.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use engine::exchange::Time;
use engine::host::START;
use tempfile::TempDir;

/// The library, for the C compiler that Rust links with.
const SOURCE: &str = include_str!("clock.c");

/// A clock that stands still until it is set.
pub(super) struct Clock {
    file: File,
    folder: TempDir,
}

impl Clock {
    /// A clock with the time at which the mock host begins.
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder = TempDir::new().context("creating a folder for a clock")?;
        let file = File::create(path(&folder)).context("creating a clock")?;
        let clock = Self { file, folder };
        clock.write(START)?;
        Ok(clock)
    }

    /// An Envoy whose processes read this clock.
    pub(super) fn envoy(&self, envoy: &gateway::Envoy) -> anyhow::Result<gateway::Envoy> {
        let envoy = envoy.clone().with_variable("LD_PRELOAD", library()?.as_os_str());
        Ok(envoy.with_variable("PORTCULLIS_CLOCK", path(&self.folder).as_os_str()))
    }

    pub(super) fn set(&self, time: Time) -> anyhow::Result<()> {
        self.write(START.saturating_add(time.nanoseconds()))
    }

    fn write(&self, nanoseconds: u64) -> anyhow::Result<()> {
        self.file.write_all_at(&nanoseconds.to_ne_bytes(), 0).context("setting a clock")
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("clock")
}

/// The compiled library, which is made once by each program.
fn library() -> anyhow::Result<&'static Path> {
    static LIBRARY: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| compile().map_err(|error| format!("{error:#}")));
    match library {
        Ok((_, file)) => Ok(file),
        Err(error) => Err(anyhow!("{error}")),
    }
}

fn compile() -> anyhow::Result<(TempDir, PathBuf)> {
    if !cfg!(target_os = "linux") {
        bail!("the clock of an Envoy can only be set on Linux");
    }
    let folder = TempDir::new().context("creating a folder for a clock")?;
    let (source, file) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
    std::fs::write(&source, SOURCE).context("writing a clock")?;
    let compiler = std::env::var_os("CC").filter(|compiler| !compiler.is_empty());
    let mut command = Command::new(compiler.as_deref().unwrap_or(OsStr::new("cc")));
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&file).arg(&source);
    let output = command.output().context("a C compiler is needed: install `cc`, or set CC")?;
    if !output.status.success() {
        bail!("the clock of Envoy does not compile: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok((folder, file))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_reads_the_clock_that_is_set() {
        let clock = Clock::new().unwrap();
        let date = || {
            let mut date = Command::new("date");
            date.arg("+%s.%N").env("LD_PRELOAD", library().unwrap());
            let output = date.env("PORTCULLIS_CLOCK", path(&clock.folder)).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(date(), "1767225600.000000000\n");
        clock.set(Duration::from_millis(90_250).into()).unwrap();
        assert_eq!(date(), "1767225690.250000000\n");
    }
}
