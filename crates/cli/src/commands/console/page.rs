//! Where the page is: built in the repository, and part of an installation elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::catalogue::in_installation;
use crate::page::{SOURCES, built};
use crate::{Usage, output};

/// The page of an installation, from its prefix.
const INSTALLED: &str = "share/portcullis/console";

/// The folder of the page: the given one, that of the repository, or that of the installation.
pub(super) fn folder(given: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(folder) = given {
        if !folder.join("index.html").is_file() {
            bail!(Usage(format!("{} has no index.html: name the folder of a built page", folder.display())));
        }
        return Ok(Some(folder.to_owned()));
    }
    if let Some(root) = repository()? {
        return built(&root).map(Some);
    }
    let installed = in_installation(INSTALLED).filter(|folder| folder.join("index.html").is_file());
    if installed.is_none() {
        output::warning(
            "the page of the console is not installed beside this program, so there is only the API: name its folder with \
             `--web`, or install the program with `pip install portcullis-cli`",
        );
    }
    Ok(installed)
}

/// The root of this project's repository, if the current folder is in it.
fn repository() -> Result<Option<PathBuf>> {
    let here = std::env::current_dir().context("reading the current folder")?;
    let root = here.ancestors().find(|folder| folder.join(SOURCES).join("package.json").is_file());
    Ok(root.map(Path::to_owned))
}
