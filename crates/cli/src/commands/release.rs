//! `release`: sets the version of a plug-in, the SDK or the program, commits and tags it.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::output;
use crate::release::{Release, Subject, Tag};

/// Release a plug-in, the SDK or the program: set the version, update the CHANGELOG, commit and tag
///
/// Writes the version to Cargo.toml, plugin.yaml (of a plug-in) and Cargo.lock, moves its entries under `## Unreleased` of
/// CHANGELOG.md to a section of their own, and creates a commit and the tag `<plugin>/v<version>`. Nothing is pushed. On errors,
/// nothing is changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask release request-block 1.2.3 --dry-run
                                              print what would change
  cargo xtask release request-block 1.2.3     commit and tag
  git push origin HEAD request-block/v1.2.3   starts .github/workflows/release.yml
  cargo xtask release sdk 0.2.0               the SDK and the test kit, tagged sdk/v0.2.0; then
  cargo xtask release cli 0.2.0               the program of the same version
  cargo xtask release --check-tag request-block/v1.2.3
                                              fail unless tag, Cargo.toml, plugin.yaml and CHANGELOG.md agree; print the
                                              section of CHANGELOG.md

Exit codes: 0 done, 1 the release is not possible, 2 usage error.")]
pub(crate) struct Args {
    /// The plug-in (case and `-`/`_` do not matter), `sdk` or `cli`.
    #[arg(required_unless_present = "check_tag")]
    plugin: Option<String>,
    /// The new version, larger than the current one.
    #[arg(required_unless_present = "check_tag")]
    version: Option<String>,
    /// Print what would change without changing anything.
    #[arg(long)]
    dry_run: bool,
    /// Compare a tag with the files instead of creating a release.
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
        bail!(Usage(
            "name a plug-in, `sdk` or `cli`, and a version, as in `cargo xtask release request-block 1.2.3`"
                .into()
        ));
    };
    let subject = Subject::find(&workspace, name)?;
    let release = Release::plan(&workspace, subject, version, &today()?)?;
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

/// Returns the date in UTC.
fn today() -> Result<String> {
    let output =
        Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("`date` cannot be started")?;
    Ok(String::from_utf8(output.stdout).context("reading the date")?.trim().to_owned())
}
