//! The page of the console, which npm builds in the repository.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::node::Node;
use crate::output;

/// The sources of the page, from the root of the repository.
pub(crate) const SOURCES: &str = "crates/console/web";

/// The variable with the path of Chromium.
pub(crate) const CHROMIUM: &str = "PORTCULLIS_CHROMIUM";

/// The variable with the path of the program, for scripts of the page.
pub(crate) const PROGRAM: &str = "PORTCULLIS_PROGRAM";

/// The command that installs what tests in a browser need.
const INSTALL: &str = "sudo apt-get install chromium fonts-noto-cjk";

/// The folder of the page's sources in the repository.
pub(crate) fn sources(root: &Path) -> PathBuf {
    root.join(SOURCES)
}

/// Builds the page unless it is there and newer than its sources.
pub(crate) fn built(root: &Path) -> Result<PathBuf> {
    let sources = sources(root);
    let page = gateway::target_dir()?.join("console/web");
    let index = page.join("index.html");
    let newest = newest(&sources)?;
    if modified(&index).is_some_and(|built| built >= newest) {
        return Ok(page);
    }
    output::step("building the page of the console");
    install(&sources)?;
    let mut build = npm(&sources)?;
    build.args(["run", "--silent", "build", "--", "--emptyOutDir", "--outDir"]).arg(&page);
    run(build, "npm run build")?;
    // The sources may be older than an index.html whose time the build keeps.
    let touched =
        fs::File::options().append(true).open(&index).and_then(|index| index.set_modified(SystemTime::now()));
    touched.with_context(|| format!("the build has not written {}", index.display()))?;
    Ok(page)
}

/// Installs the packages of the lock file unless they are there.
pub(crate) fn install(sources: &Path) -> Result<()> {
    let lock = modified(&sources.join("package-lock.json"));
    let installed = modified(&sources.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= lock {
        return Ok(());
    }
    let mut install = npm(sources)?;
    install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    run(install, "npm ci")
}

/// npm in the folder of the page.
pub(crate) fn npm(sources: &Path) -> Result<Command> {
    Node::find()?.npm(sources)
}

/// Runs a command whose output goes to stderr.
pub(crate) fn run(mut command: Command, what: &str) -> Result<()> {
    command.stdout(std::io::stderr());
    let status = command.status().with_context(|| format!("starting {what}"))?;
    if !status.success() {
        bail!("`{what}` failed: see above");
    }
    Ok(())
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// When the newest source was changed.
fn newest(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if ["node_modules", "dist", "tests"].iter().any(|other| name == *other) {
            continue;
        }
        let metadata = entry.metadata()?;
        // A folder is newer when a file in it was removed.
        newest = newest.max(metadata.modified()?);
        if metadata.is_dir() {
            newest = newest.max(self::newest(&entry.path())?);
        }
    }
    Ok(newest)
}

/// Chromium, with fonts for Chinese: without them, the pictures of pages are of boxes.
pub(crate) fn chromium() -> Result<PathBuf> {
    let given = env::var_os(CHROMIUM).filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = given.or_else(|| {
        let folders: Vec<PathBuf> = env::split_paths(&path).collect();
        let mut all = known.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        all.find(|file| file.is_file())
    });
    let Some(chromium) = found.filter(|file| file.is_file()) else {
        bail!(
            "the console in a browser needs Chromium: `{INSTALL}`, or name it with {CHROMIUM}; `--without-browser` leaves them out"
        );
    };
    let fonts = Command::new("fc-list").args([":lang=zh", "family"]).output();
    if fonts.is_ok_and(|fonts| fonts.status.success() && fonts.stdout.is_empty()) {
        bail!(
            "the console in a browser needs a Chinese font: `{INSTALL}`; `--without-browser` leaves them out"
        );
    }
    Ok(chromium)
}

/// Runs a script of the page in Node, with this program and Chromium, and returns what it prints.
#[cfg(feature = "console")]
pub(crate) fn script(root: &Path, name: &str, arguments: &[&std::ffi::OsStr]) -> Result<String> {
    let chromium = chromium()?;
    let sources = sources(root);
    install(&sources)?;
    let mut build = npm(&sources)?;
    build.args(["run", "--silent", "build"]);
    run(build, "npm run build")?;
    let mut node = Node::find()?.node(&sources);
    node.arg(format!("scripts/{name}.mjs")).args(arguments);
    node.env(PROGRAM, env::current_exe().context("finding this program")?).env(CHROMIUM, chromium);
    let output = node.stderr(std::process::Stdio::inherit()).output().context("starting node")?;
    if !output.status.success() {
        bail!("scripts/{name}.mjs failed: see above");
    }
    String::from_utf8(output.stdout).with_context(|| format!("scripts/{name}.mjs does not print text"))
}
