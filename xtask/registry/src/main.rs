//! `cargo xtask push` and `cargo xtask pull`: images between layouts and registries; and what `cargo xtask serve`
//! downloads.

mod access;
mod download;
mod pull;
mod push;
mod reference;
mod retry;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

/// Push images of plug-ins to registries, and pull them.
///
/// Credentials are those of `docker login` or `podman login`: Docker's config.json with its helpers, or Podman's
/// auth.json.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Push a layout.
    Push(push::Args),
    /// Pull an image into a layout.
    Pull(pull::Args),
    /// Download a module from a web server.
    Download(download::Args),
}

/// How a registry is reached.
#[derive(Args)]
struct Access {
    /// Reach the registry over HTTP, as one on this machine.
    #[arg(long)]
    plain_http: bool,
    /// Say nothing while it works.
    #[arg(long)]
    quiet: bool,
    /// What the command at hand can do where the registry cannot be reached, for its errors.
    #[arg(long, hide = true)]
    remedy: Option<String>,
}

/// The command itself was wrong.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What is being done, on stderr.
struct Progress {
    quiet: bool,
}

impl Progress {
    fn step(&self, what: impl fmt::Display) {
        if !self.quiet {
            let style = AnsiColor::Green.on_default();
            anstream::eprintln!("{style}xtask:{style:#} {what}");
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let style = AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{style}error:{style:#} {error}");
            for cause in error.chain().skip(1) {
                anstream::eprintln!("  because: {cause}");
            }
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("starting the asynchronous runtime")?;
    match command {
        Command::Push(args) => runtime.block_on(push::run(args)),
        Command::Pull(args) => runtime.block_on(pull::run(args)),
        Command::Download(args) => runtime.block_on(download::run(args)),
    }
}

/// Where a layout is, for `--help`.
const LAYOUT: &str = "LAYOUT";

/// A layout's digest file: `image.digest` beside `image` and `image.tar`.
fn digest_file(layout: &Path) -> Result<PathBuf> {
    // `.` has a name too.
    let layout = layout.canonicalize().with_context(|| format!("reading {}", layout.display()))?;
    let mut name = layout.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if layout.is_file() {
        name = name.strip_suffix(".tar").map_or(name.clone(), ToOwned::to_owned);
    }
    Ok(layout.with_file_name(name + ".digest"))
}

#[cfg(test)]
mod tests {
    use super::digest_file;

    #[test]
    fn a_digest_is_left_beside_its_layout() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("image-1.0")).unwrap();
        std::fs::write(folder.join("image-1.0.tar"), "").unwrap();
        for layout in ["image-1.0", "image-1.0.tar", "image-1.0/."] {
            assert_eq!(digest_file(&folder.join(layout)).unwrap(), folder.join("image-1.0.digest"));
        }
        assert!(digest_file(&folder.join("none")).is_err());
    }
}
