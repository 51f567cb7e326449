//! The folder of a command, and what the marketplace says about a change.

use std::path::Path;

use anyhow::{Result, bail};
use gateway::folder::StageOrder;
use marketplace::shelf::{self, Shelf};
use marketplace::{Error, Known, KnownPlugin};
use resource::Object;

use super::Where;
use crate::Usage;
use crate::commands::check::print_failures;
use crate::commands::config::{print, print_mistakes, print_remarks, print_report, read};
use crate::output::{BAD, styled};

/// Reads the folder. Errors in it are printed and do not prevent using the rest.
pub(super) fn open(place: &Where, order: StageOrder) -> Result<Shelf> {
    let folder = &place.folder;
    if !folder.is_dir() {
        bail!(Usage(format!(
            "{} is not a folder: create it, or name another with `--folder`",
            folder.display()
        )));
    }
    let shelf = Shelf::read(folder, order);
    for wrong in &shelf.content.faults {
        print(&wrong.fault, &styled(BAD, "error:"), &wrong.file.display().to_string());
    }
    Ok(shelf)
}

/// The outcome of something that may be rejected with printed reasons.
pub(super) enum Outcome<T> {
    /// It is done.
    Done(T),
    /// The reasons have been printed.
    Rejected,
}

/// Shows a result. Returns false after printing the failed checks of a module.
pub(super) fn finish<T>(result: marketplace::Result<T>, done: impl FnOnce(T)) -> Result<bool> {
    match result {
        Ok(value) => {
            done(value);
            Ok(true)
        }
        Err(Error::Refused(refusal)) if refusal.report.is_some() => {
            if let Some(report) = &refusal.report {
                let name = report.file.file_stem().unwrap_or_default().to_string_lossy();
                print_failures(&name, report);
            }
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the configuration of a plug-in, which is validated by the plug-in's own code, if that is known.
pub(super) fn configuration(
    plugin: Option<(&Known<'_>, KnownPlugin<'_>)>,
    file: &Path,
) -> Result<Outcome<Object>> {
    let text = read(file)?;
    match shelf::configuration(plugin, file, &text) {
        Ok(configuration) => {
            for report in &configuration.reports {
                match report.is_checked() {
                    true => print_remarks(report),
                    false => print_report(report),
                }
            }
            Ok(Outcome::Done(configuration.document))
        }
        Err(error) => print_mistakes(error, file).map(|()| Outcome::Rejected),
    }
}
