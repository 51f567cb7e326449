//! The plug-ins of a folder: finding, adding, editing, switching, releasing and deleting them.
//!
//! Names are unique, a custom plug-in must be disabled to be edited or deleted, and a built-in plug-in can only be
//! configured. Every change replaces a file atomically, so a gateway may serve the folder meanwhile.

mod add;
mod change;
mod module;
#[cfg(test)]
#[cfg(feature = "engine")]
mod tests;
mod version;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use gateway::folder::edit::{self, EditError, Place};
use gateway::folder::{self, Entry, Folder, StageOrder};
use resource::names::nearest;
use resource::yaml::Fault;
use resource::{Content, ControlPlane, Deployment, Found, Object, Stage};
use serde_json::Value;

use crate::check;
use crate::{Code, Known, KnownPlugin, Refusal, Result};

pub use add::{Added, Addition, Kind};
pub use change::Edit;
pub use module::{MODULES, check_file};
pub use version::Version;

/// A folder of plug-ins.
#[derive(Debug)]
pub struct Shelf {
    /// The folder.
    pub folder: PathBuf,
    /// Its content.
    pub content: Folder,
}

/// What users may want to do with a plug-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Change its card or its module.
    Edit,
    /// Delete it.
    Delete,
    /// Enable or disable it.
    Switch,
    /// Release a new version while it is enabled.
    Release,
    /// Change its configuration.
    Configure,
}

impl Action {
    /// The word in messages: "cannot be …".
    fn done(self) -> &'static str {
        match self {
            Self::Edit => "edited",
            Self::Delete => "deleted",
            Self::Switch => "enabled or disabled",
            Self::Release => "released in a new version",
            Self::Configure => "configured",
        }
    }
}

/// The properties of a plug-in on its card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// The display name.
    pub title: Option<String>,
    /// A short description.
    pub description: Option<String>,
    /// The programming language.
    pub language: Option<String>,
    /// The stage.
    pub stage: Option<Stage>,
    /// The priority in the stage: larger ones run first.
    pub priority: Option<i32>,
}

/// Where the module of a plug-in is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Module {
    /// A file, which is checked and copied into the folder.
    File(PathBuf),
    /// A URL from which a gateway fetches it.
    Url(String),
}

impl Shelf {
    /// Reads the folder. Files with errors do not prevent using the rest.
    #[must_use]
    pub fn read(folder: &Path, order: StageOrder) -> Self {
        Self { folder: folder.to_path_buf(), content: folder::read(folder, order) }
    }

    /// Returns the plug-in with this name, or `namespace/name`.
    ///
    /// # Errors
    ///
    /// There is none, or there are several.
    pub fn find(&self, wanted: &str) -> Result<&Entry> {
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
                let what = format!("{} has no plug-in `{wanted}`", self.folder.display());
                Err(Refusal::new(Code::PluginUnknown, what, hint).with("name", wanted).into())
            }
            several => {
                let known: Vec<String> =
                    several.iter().map(|entry| format!("{}/{}", entry.namespace, entry.name)).collect();
                let what = format!("`{wanted}` is in several namespaces");
                let remedy = format!("write one of {}", known.join(", "));
                Err(Refusal::new(Code::PluginAmbiguous, what, remedy).with("name", wanted).into())
            }
        }
    }

    /// Why this cannot be done with a plug-in at present, if it cannot. `built_in` is the name of the built-in plug-in
    /// that a resource deploys, for callers to whom built-in plug-ins are fixed.
    #[must_use]
    pub fn blocked(entry: &Entry, action: Action, built_in: Option<&str>) -> Option<Refusal> {
        let done = action.done();
        let elsewhere = |what: String| {
            Refusal::new(Code::PluginElsewhere, what, "change the file")
                .with("name", &entry.name)
                .with("file", entry.file.display())
                .with("line", entry.line)
        };
        let needs_higress = matches!(action, Action::Edit | Action::Switch | Action::Release);
        if needs_higress && entry.resource.control_plane != ControlPlane::Higress {
            return Some(elsewhere(format!(
                "{} is in {}'s {} ({}:{}), which has no field for that, and cannot be {done}",
                entry.name,
                entry.resource.control_plane.title(),
                entry.resource.control_plane.kind(),
                entry.file.display(),
                entry.line
            )));
        }
        if !entry.alone {
            return Some(elsewhere(format!(
                "{} is one of several in {}:{} and cannot be {done}",
                entry.name,
                entry.file.display(),
                entry.line
            )));
        }
        if let Some(plugin) = built_in
            && matches!(action, Action::Edit | Action::Delete | Action::Release)
        {
            let what = format!("{} is a built-in plug-in ({plugin}) and cannot be {done}", entry.name);
            let refusal = Refusal::new(Code::PluginBuiltIn, what, "configure, enable or disable it");
            return Some(refusal.with("name", &entry.name));
        }
        if entry.enabled
            && matches!(action, Action::Edit | Action::Delete)
            && entry.resource.control_plane == ControlPlane::Higress
        {
            let what = format!("{} is enabled and cannot be {done}", entry.name);
            let remedy = format!("`cargo xtask plugin disable {}` first", entry.name);
            return Some(Refusal::new(Code::PluginEnabled, what, remedy).with("name", &entry.name));
        }
        None
    }
}

/// The built-in plug-in that a resource deploys: one of the workspace, or of the catalogue.
#[must_use]
pub fn built_in<'k>(entry: &Entry, known: &Known<'k>) -> Option<KnownPlugin<'k>> {
    known.deployed(&entry.resource)
}

fn unblocked(entry: &Entry, action: Action, built_in: Option<&str>) -> Result<()> {
    match Shelf::blocked(entry, action, built_in) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// Changes the text of a resource. The file is replaced atomically, or unchanged on errors.
pub(crate) fn change(
    entry: &Entry,
    change: impl FnOnce(&str, Place) -> std::result::Result<String, EditError>,
) -> Result<()> {
    let file = entry.file.display();
    let before = fs::read_to_string(&entry.file).with_context(|| format!("reading {file}"))?;
    let after = change(&before, entry.into()).map_err(|error| not_editable(entry, &error))?;
    write(&entry.file, Some(&before), after.as_bytes())
}

/// The text of a resource cannot be changed in this way.
pub(crate) fn not_editable(entry: &Entry, error: &EditError) -> Refusal {
    let what = format!("{} in {}:{}: {error}", entry.name, entry.file.display(), entry.line);
    Refusal::new(Code::NotEditable, what, "").with("name", &entry.name).with("reason", error)
}

/// Replaces a file, if it is still as it was read.
pub(crate) fn write(file: &Path, before: Option<&str>, after: &[u8]) -> Result<()> {
    edit::write(file, before, after).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Refusal::new(Code::ChangedMeanwhile, format!("writing {}: {error}", file.display()), "")
                .with("file", file.display())
                .into()
        }
        _ => anyhow!(error).context(format!("writing {}", file.display())).into(),
    })
}

/// Rejects priorities that the console rejects.
///
/// # Errors
///
/// It is not a multiple of 10.
pub fn check_priority(priority: i32) -> std::result::Result<(), Refusal> {
    if priority % 10 == 0 {
        return Ok(());
    }
    let down = priority - priority.rem_euclid(10);
    let up = down.saturating_add(10);
    let what = format!("priority {priority} is not a multiple of 10, as the console requires");
    Err(Refusal::new(Code::PriorityNotMultiple, what, format!("write {down} or {up}"))
        .with("priority", priority)
        .with("down", down)
        .with("up", up))
}

/// Checks the name of a resource.
///
/// # Errors
///
/// It is not one.
pub fn check_name(name: &str) -> std::result::Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = name.len() <= 63
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-' || c == '.');
    if good {
        return Ok(());
    }
    let what = format!("`{name}` is not a valid resource name");
    let remedy = "write at most 63 lower-case letters, digits, dashes and dots, as in `my-plugin`";
    Err(Refusal::new(Code::NameInvalid, what, remedy).with("name", name))
}

/// Checks the URL of a module.
///
/// # Errors
///
/// A cluster cannot fetch it.
pub fn check_url(url: &str) -> std::result::Result<(), Refusal> {
    let known = ["oci://", "http://", "https://"];
    if known.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
        return Ok(());
    }
    let what = format!("`{url}` is nothing that a cluster fetches");
    Err(Refusal::new(Code::UrlInvalid, what, "write oci://, http:// or https://").with("url", url))
}

/// A configuration in a text, and remarks on it.
#[derive(Debug, Default)]
pub struct Configuration {
    /// The document.
    pub document: Object,
    /// Remarks, and what was left out.
    pub reports: Vec<check::Report>,
}

/// Reads the configuration of a plug-in, from fields or a resource. It is validated by the plug-in's own code, if that is known.
///
/// # Errors
///
/// The plug-in rejects it, or it is not a configuration.
pub fn configuration(
    plugin: Option<(&Known<'_>, KnownPlugin<'_>)>,
    file: &Path,
    text: &str,
) -> Result<Configuration> {
    if let Some((known, plugin)) = plugin.filter(|(_, plugin)| !plugin.is_classic()) {
        let check::Configured { document, reports } = check::document(known, plugin, file, text)?;
        return Ok(Configuration { document, reports });
    }
    let refused = |what: String, remedy: &str| Refusal::new(Code::ConfigurationInvalid, what, remedy).into();
    let documents = match resource::yaml::read(text) {
        Ok(documents) => documents,
        Err(error) => return Err(Refusal::mistakes(file, vec![Fault::no_yaml(text, error)]).into()),
    };
    let found: Vec<Found<'_>> = documents.iter().flat_map(resource::read).collect();
    let of_interest: Vec<&Found<'_>> =
        found.iter().filter(|found| !matches!(found.content, Content::Other { .. })).collect();
    let [one] = of_interest.as_slice() else {
        if of_interest.is_empty() {
            return Ok(Configuration::default());
        }
        return Err(refused(format!("{} holds several documents", file.display()), "write one"));
    };
    if !one.errors.is_empty() {
        let mistakes = one.errors.iter().map(|error| Fault::refused(text, one.node, error)).collect();
        return Err(Refusal::mistakes(file, mistakes).into());
    }
    let document = match &one.content {
        Content::Plugins(plugins) => match plugins.as_slice() {
            [plugin] => match plugin.deployment().map_err(|error| anyhow!(error))? {
                Deployment::Document(document) => document,
                Deployment::NotDeployed => {
                    return Err(refused(format!("{}: nothing would be deployed", file.display()), ""));
                }
            },
            _ => return Err(refused(format!("{} holds several plug-ins", file.display()), "write one")),
        },
        _ => match one.node.to_json() {
            Value::Object(fields) => fields,
            _ => {
                let remedy = "write the plug-in's fields";
                return Err(refused(format!("{} is not an object", file.display()), remedy));
            }
        },
    };
    Ok(Configuration { document, reports: Vec::new() })
}
