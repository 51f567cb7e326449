//! Asks git, which every checkout of this workspace has.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What git prints, without the space around it.
pub(crate) fn git(root: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(root).env("TZ", "UTC").args(args).output();
    let output = output.context("git cannot be started: install git")?;
    if !output.status.success() {
        bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
