//! The folder: plug-ins by name, their text, and replacing it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gateway::folder::edit::{self, EditError, Place};
use gateway::folder::{self, Entry, Folder, StageOrder};
use resource::names::nearest;
use resource::yaml::Fault;
use resource::{Content, Deployment, Found};
use serde_json::{Map, Value};

use super::Where;
use crate::Usage;
use crate::commands::check::{print_failures, report_file};
use crate::commands::config::print;
use crate::known::{Known, KnownPlugin};
use crate::output::{BAD, styled};

/// The subfolder for modules of custom plug-ins.
pub(super) const MODULES: &str = "modules";

/// A folder of plug-ins.
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    pub(super) content: Folder,
}

impl Shelf {
    /// Reads the folder. Errors are printed and do not prevent using the rest.
    pub(super) fn open(place: &Where, order: StageOrder) -> Result<Self> {
        let folder = place.folder.clone();
        if !folder.is_dir() {
            bail!(Usage(format!(
                "{} is not a folder: create it, or name another with `--folder`",
                folder.display()
            )));
        }
        let content = folder::read(&folder, order);
        for wrong in &content.faults {
            print(&wrong.fault, &styled(BAD, "error:"), &wrong.file.display().to_string());
        }
        Ok(Self { folder, content })
    }

    /// Returns true if the folder has no errors.
    pub(super) fn is_sound(&self) -> bool {
        self.content.faults.is_empty()
    }

    /// Returns the plug-in with this name, or `namespace/name`.
    pub(super) fn find(&self, wanted: &str) -> Result<&Entry> {
        let fits = |entry: &&Entry| match wanted.split_once('/') {
            Some((namespace, name)) => entry.namespace == namespace && entry.name == name,
            None => entry.name == wanted,
        };
        let found: Vec<&Entry> = self.content.plugins.iter().filter(fits).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => {
                let known: Vec<&str> = self.content.plugins.iter().map(|entry| entry.name.as_str()).collect();
                let hint = match nearest(wanted, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => {
                        "the folder has none; `cargo xtask plugin add` adds one".into()
                    }
                    None => format!("the plug-ins are {}", known.join(", ")),
                };
                bail!(Usage(format!("{} has no plug-in `{wanted}`: {hint}", self.folder.display())))
            }
            several => {
                let known: Vec<String> =
                    several.iter().map(|entry| format!("{}/{}", entry.namespace, entry.name)).collect();
                bail!(Usage(format!(
                    "`{wanted}` is in several namespaces: write one of {}",
                    known.join(", ")
                )))
            }
        }
    }
}

/// Changes the text of a resource. The file is replaced atomically, or unchanged on errors.
pub(super) fn change(
    entry: &Entry,
    change: impl FnOnce(&str, Place) -> Result<String, EditError>,
) -> Result<()> {
    let file = entry.file.display();
    let before = fs::read_to_string(&entry.file).with_context(|| format!("reading {file}"))?;
    let after = change(&before, entry.into())
        .map_err(|error| anyhow::anyhow!("{} in {file}:{}: {error}", entry.name, entry.line))?;
    edit::write(&entry.file, Some(&before), after.as_bytes()).with_context(|| format!("writing {file}"))
}

/// Checks a module like the console. Returns its bytes, or `None` after printing why it is rejected.
pub(super) fn module(name: &str, file: &Path) -> Result<Option<Vec<u8>>> {
    let report = report_file(file, None)?;
    if !report.ok() {
        print_failures(name, &report);
        return Ok(None);
    }
    Ok(Some(fs::read(file).with_context(|| format!("reading {}", file.display()))?))
}

/// Copies a module into the folder, and returns its `url`.
pub(super) fn put_module(folder: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let modules = folder.join(MODULES);
    fs::create_dir_all(&modules).with_context(|| format!("making {}", modules.display()))?;
    let file = modules.join(format!("{name}.wasm"));
    let mut temporary = tempfile::Builder::new().prefix(".portcullis-").tempfile_in(&modules)?;
    std::io::Write::write_all(&mut temporary, bytes)?;
    temporary.persist(&file).with_context(|| format!("writing {}", file.display()))?;
    Ok(format!("file://{MODULES}/{name}.wasm"))
}

/// Reads the configuration of a plug-in, from fields or a resource. It is validated by the plug-in's own code, if available.
/// Returns `None` after printing why it is rejected.
pub(super) fn configuration(
    plugin: Option<(&Known<'_>, KnownPlugin<'_>)>,
    file: &Path,
) -> Result<Option<Map<String, Value>>> {
    if let Some((known, plugin)) = plugin.filter(|(_, plugin)| !plugin.is_classic()) {
        return crate::commands::config::document(known, plugin, file);
    }
    let text = crate::commands::config::read(file)?;
    let documents =
        resource::yaml::read(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let found: Vec<Found<'_>> = documents.iter().flat_map(resource::read).collect();
    let of_interest: Vec<&Found<'_>> =
        found.iter().filter(|found| !matches!(found.content, Content::Other { .. })).collect();
    let [one] = of_interest.as_slice() else {
        if of_interest.is_empty() {
            return Ok(Some(Map::new()));
        }
        bail!(Usage(format!("{} holds several documents: write one", file.display())));
    };
    if !one.errors.is_empty() {
        for error in &one.errors {
            print(
                &Fault::refused(&text, one.node, error),
                &styled(BAD, "error:"),
                &file.display().to_string(),
            );
        }
        return Ok(None);
    }
    match &one.content {
        Content::Plugins(plugins) => match plugins.as_slice() {
            [plugin] => match plugin.deployment()? {
                Deployment::Document(document) => Ok(Some(document)),
                Deployment::NotDeployed => bail!("{}: nothing would be deployed", file.display()),
            },
            _ => bail!(Usage(format!("{} holds several plug-ins: write one", file.display()))),
        },
        _ => match one.node.to_json() {
            Value::Object(fields) => Ok(Some(fields)),
            _ => bail!(Usage(format!("{} is not an object: write the plug-in's fields", file.display()))),
        },
    }
}
