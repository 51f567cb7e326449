//! `man`: manual pages.

use std::path::PathBuf;

#[cfg(not(feature = "shell"))]
pub(crate) use crate::heavy::run;

/// Print the manual page, or write the pages of all commands to a folder
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask man | man -l -
  cargo xtask man --out ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write a page for each command to this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[cfg(feature = "shell")]
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    match &args.out {
        Some(folder) => pages(folder)?,
        None => clap_mangen::Man::new(crate::installed()).render(&mut std::io::stdout())?,
    }
    Ok(true)
}

/// Writes the pages of all commands.
#[cfg(feature = "shell")]
pub(crate) fn pages(folder: &std::path::Path) -> anyhow::Result<()> {
    use anyhow::Context as _;

    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    clap_mangen::generate_to(crate::installed(), folder)
        .with_context(|| format!("writing manual pages to {}", folder.display()))
}

#[cfg(all(test, feature = "shell"))]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        pages(folder.path()).unwrap();
        for page in
            ["portcullis.1", "portcullis-serve.1", "portcullis-plugin-add.1", "portcullis-catalogue.1"]
        {
            let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
            assert!(text.starts_with(".ie") || text.contains(".TH"), "{page}: {text}");
            assert!(!text.contains("cargo xtask"), "{page}");
        }
    }
}
