//! The catalogue of the commands: a folder that an option or a variable names, or the one beside an installed program.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use marketplace::Sources;
use oci::{Catalogue, Layout, Reference};

use crate::output;

/// The variable that names the folder of a catalogue.
pub(crate) const VARIABLE: &str = "PORTCULLIS_CATALOGUE";

/// The catalogue of an installation, from its prefix.
const INSTALLED: &str = "share/portcullis/catalogue";

/// The option that names a catalogue.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Choice {
    /// The folder of a catalogue. [default: PORTCULLIS_CATALOGUE, or the catalogue of the installation]
    #[arg(long, value_name = "DIR")]
    pub(crate) catalogue: Option<PathBuf>,
}

impl Choice {
    /// The folder that the option or the variable names.
    fn folder(&self) -> Option<PathBuf> {
        let variable = || env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        self.catalogue.clone().or_else(variable)
    }

    /// Returns true if the option or the variable names a folder.
    #[cfg(not(feature = "engine"))]
    pub(crate) fn is_given(&self) -> bool {
        self.folder().is_some()
    }

    /// The catalogue, if there is one.
    pub(crate) fn open(&self) -> Result<Option<Catalogue>> {
        if let Some(folder) = self.folder() {
            let catalogue = Catalogue::open(&folder);
            return catalogue
                .map(Some)
                .with_context(|| format!("name another catalogue with --catalogue or {VARIABLE}"));
        }
        match installed().filter(|folder| folder.join(oci::catalogue::INDEX).is_file()) {
            Some(folder) => Ok(Some(Catalogue::open(&folder)?)),
            None => Ok(None),
        }
    }

    /// The workspace of the current folder, if there is one, and the catalogue, if there is one.
    ///
    /// # Errors
    ///
    /// There is neither, or one cannot be read.
    pub(crate) fn sources(&self) -> Result<Sources> {
        let sources = self.any_sources()?;
        if sources.is_empty() {
            bail!(
                "there are no plug-ins here: run the command in a workspace of plug-ins, or name a catalogue with \
                 --catalogue or {VARIABLE}"
            );
        }
        Ok(sources)
    }

    /// The same, possibly with neither.
    ///
    /// # Errors
    ///
    /// One cannot be read.
    pub(crate) fn any_sources(&self) -> Result<Sources> {
        let workspace = crate::open::workspace_here()?;
        #[cfg(feature = "engine")]
        let catalogue = self.open()?;
        // Without the engine, there is no asking an image.
        #[cfg(not(feature = "engine"))]
        let catalogue = if self.is_given() { crate::heavy::replace()? } else { None };
        Ok(Sources::new(workspace, catalogue))
    }

    /// The image that a name stands for, if the catalogue has it.
    pub(crate) fn image(&self, name: &str) -> Result<Option<Layout>> {
        let Ok(reference) = Reference::parse(name) else { return Ok(None) };
        let Some(catalogue) = self.open()? else { return Ok(None) };
        let Some(entry) = catalogue.resolve(&reference) else { return Ok(None) };
        output::step(format_args!(
            "{} {} is taken from the catalogue in {}",
            entry.name,
            entry.version,
            catalogue.folder().display()
        ));
        Ok(Some(catalogue.layout(entry)?))
    }
}

/// The catalogue of the installation that this program belongs to.
fn installed() -> Option<PathBuf> {
    in_installation(INSTALLED)
}

/// A folder of the installation that this program belongs to.
pub(crate) fn in_installation(folder: &str) -> Option<PathBuf> {
    // Installers link to programs.
    let program = env::current_exe().and_then(|program| program.canonicalize()).ok()?;
    Some(prefix(&program)?.join(folder))
}

/// The prefix of a program in `<prefix>/bin`.
fn prefix(program: &Path) -> Option<&Path> {
    program.parent().filter(|folder| folder.ends_with("bin"))?.parent()
}

/// The catalogue, or an error that explains how to have one.
pub(crate) fn required(option: &Choice) -> Result<Catalogue> {
    option.open()?.with_context(|| {
        format!(
            "there is no catalogue beside this program: name a folder with --catalogue or {VARIABLE}; \
             `cargo xtask package --catalogue` makes one"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_installed_program_has_a_prefix() {
        assert_eq!(prefix(Path::new("/opt/venv/bin/portcullis")), Some(Path::new("/opt/venv")));
        assert_eq!(prefix(Path::new("/src/target/debug/portcullis")), None);
        assert_eq!(prefix(Path::new("/portcullis")), None);
    }
}
