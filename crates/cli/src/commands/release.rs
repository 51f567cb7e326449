//! `release`: a new version of a plug-in, in every place that names it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::output;
use crate::release::{Release, Tag};

/// Release a plug-in: its version, its part of the CHANGELOG, a commit and a tag
///
/// Writes the version into Cargo.toml, plugin.yaml and Cargo.lock, moves what CHANGELOG.md says about the plug-in under
/// `## Unreleased` into a section of its own, commits that and tags it `<plugin>/v<version>`. Nothing is pushed. When
/// something fails, everything is as it was.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask release request-block 1.2.3 --dry-run
                                              what would change
  cargo xtask release request-block 1.2.3     commit and tag
  git push origin HEAD request-block/v1.2.3   builds, signs and publishes it: .github/workflows/release.yml
  cargo xtask release --check-tag request-block/v1.2.3
                                              fails unless tag, Cargo.toml, plugin.yaml and CHANGELOG.md agree; prints
                                              what CHANGELOG.md says

Exit codes: 0 it is done, 1 something is in the way, 2 the command was wrong.")]
pub(crate) struct Args {
    /// The plug-in, in any spelling.
    #[arg(required_unless_present = "check_tag")]
    plugin: Option<String>,
    /// Its new version, larger than the last one.
    #[arg(required_unless_present = "check_tag")]
    version: Option<String>,
    /// Print what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Compare a tag with what the files say, in place of making a release.
    #[arg(long, value_name = "PLUGIN/vVERSION", conflicts_with_all = ["plugin", "version", "dry_run"])]
    check_tag: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    if let Some(tag) = &args.check_tag {
        let tag = Tag::parse(tag)?;
        let notes = tag.check(&workspace)?;
        anstream::eprintln!("{} {tag}: Cargo.toml, plugin.yaml and CHANGELOG.md agree", output::mark(true));
        anstream::println!("{notes}");
        return Ok(true);
    }
    let (Some(name), Some(version)) = (&args.plugin, &args.version) else {
        bail!(Usage("name a plug-in and a version, as in `cargo xtask release request-block 1.2.3`".into()));
    };
    let plugin = workspace.plugin(name)?;
    if workspace.fixtures.iter().any(|fixture| fixture.name == plugin.name) {
        bail!(Usage(format!("{} exists to test the tests, and is not released", plugin.name)));
    }
    let release = Release::plan(&workspace, plugin, version, &today()?)?;
    if args.dry_run {
        anstream::println!("{}", release.preview()?);
        anstream::eprintln!("{} would be committed and tagged {}", output::mark(true), release.tag);
    } else {
        release.make()?;
        anstream::println!("{} {} is committed and tagged", output::mark(true), release.tag);
        anstream::println!("  publish it: git push origin HEAD {}", release.tag);
    }
    Ok(true)
}

/// The day, in UTC.
fn today() -> Result<String> {
    let output =
        Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("`date` cannot be started")?;
    Ok(String::from_utf8(output.stdout).context("reading the date")?.trim().to_owned())
}
