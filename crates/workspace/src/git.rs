//! Calls git.

use std::path::Path;
use std::process::Command;

use crate::{Error, Result};

/// Runs git and returns its output without surrounding whitespace.
///
/// # Errors
///
/// git is missing, or fails.
pub fn git(root: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(root).env("TZ", "UTC").args(args).output();
    let output = output.map_err(Error::start("git"))?;
    if !output.status.success() {
        let mut output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.contains("not a git repository") {
            output.push_str("\n`git init` makes one: commit the files, and try again");
        }
        return Err(Error::Failed { command: format!("git {}", args.join(" ")), output });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The files that have been changed since the last commit, or are new, from the root.
///
/// # Errors
///
/// As for [`git`].
pub fn changed(root: &Path) -> Result<Vec<String>> {
    // `XY path`, terminated by NUL; `git` has trimmed a leading space of the first one.
    let status = git(root, &["status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal"])?;
    let entries = status.split('\0').filter(|entry| !entry.is_empty());
    let path = |entry: &str| Some(entry.trim_start().split_once(' ')?.1.trim_start().to_owned());
    Ok(entries.filter_map(path).collect())
}

/// Names of files for a message: the first ten.
#[must_use]
pub fn listed(files: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = files.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match files.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// A commit, by which an image can be reproduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its hash.
    pub commit: String,
    /// The time of the commit: `2026-01-31T12:00:00Z`.
    pub time: String,
}

/// The state of an image's source files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Those of a commit.
    Clean(Revision),
    /// Uncommitted changes in these files: the image cannot be reproduced from a commit.
    Changed(Vec<String>),
    /// Not under version control here.
    Unknown,
}

impl Tree {
    /// The state of a workspace.
    ///
    /// # Errors
    ///
    /// git is missing, or fails.
    pub fn of(root: &Path) -> Result<Self> {
        if !root.join(".git").exists() {
            return Ok(Self::Unknown);
        }
        let files = changed(root)?;
        if !files.is_empty() {
            return Ok(Self::Changed(files));
        }
        let shown = git(root, &["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%H %cd"])?;
        let (commit, time) = shown.split_once(' ').ok_or_else(|| Error::Failed {
            command: "git log".into(),
            output: "it names no commit".into(),
        })?;
        Ok(Self::Clean(Revision { commit: commit.to_owned(), time: time.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changed_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init", "--quiet"]).unwrap();
        fs::write(root.join("a b.txt"), "1").unwrap();
        fs::write(root.join(".gitignore"), "/out\n").unwrap();
        git(root, &["add", "--all"]).unwrap();
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        git(root, &[who.as_slice(), &["commit", "--quiet", "--message", "m"]].concat()).unwrap();
        assert!(changed(root).unwrap().is_empty());
        fs::create_dir(root.join("out")).unwrap();
        fs::write(root.join("out/x"), "").unwrap();
        fs::write(root.join("a b.txt"), "2").unwrap();
        fs::create_dir(root.join("new")).unwrap();
        fs::write(root.join("new/file"), "").unwrap();
        assert_eq!(changed(root).unwrap(), ["a b.txt", "new/"]);
        let many: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        assert!(listed(&many).ends_with("9 and 2 more"), "{}", listed(&many));
        assert_eq!(listed(&many[..2]), "0, 1");
    }
}
