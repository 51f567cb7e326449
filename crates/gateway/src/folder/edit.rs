//! Changes to resources in their files, which leave everything else in the files as it is.
//!
//! Functions map a text to a text; [`write()`] replaces the file.

mod part;
mod remove;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use resource::annotation::DISABLED;
use resource::yaml::{Node, YamlError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Entry;
pub use part::{get_text, set_text};
pub use remove::remove;
use text::Text;

/// A resource in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The index of the document.
    pub document: usize,
    /// The index of the resource in the document, if that is a list.
    pub item: Option<usize>,
}

impl From<&Entry> for Place {
    fn from(entry: &Entry) -> Self {
        Self { document: entry.index, item: entry.item }
    }
}

impl Place {
    fn resource(self, documents: &[Node]) -> Result<&Node, EditError> {
        let document = documents.get(self.document);
        let resource = document.and_then(|document| match self.item {
            None => Some(document),
            Some(item) => document.get("items")?.entries().get(item),
        });
        resource.ok_or(EditError::Gone)
    }

    fn value(self, documents: &mut [Value]) -> Result<&mut Value, EditError> {
        let document = documents.get_mut(self.document);
        let resource = document.and_then(|document| match self.item {
            None => Some(document),
            Some(item) => document.get_mut("items")?.get_mut(item),
        });
        resource.ok_or(EditError::Gone)
    }
}

/// A resource was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// The text is invalid YAML.
    Yaml(YamlError),
    /// The resource no longer exists.
    Gone,
    /// It is in this state already.
    Already(&'static str),
    /// The text cannot be changed in this way; the message has the remedy.
    Refused(String),
}

impl EditError {
    fn style(path: &[&str]) -> Self {
        let path = path.join(".").replace(".[", "[");
        Self::Refused(format!(
            "{path} cannot be changed separately (it has an alias or a tag): \
             change it by hand"
        ))
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml(error) => error.fmt(f),
            Self::Gone => f.write_str("the resource no longer exists: read the folder again"),
            Self::Already(state) => write!(f, "is {state} already"),
            Self::Refused(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for EditError {}

impl From<YamlError> for EditError {
    fn from(error: YamlError) -> Self {
        Self::Yaml(error)
    }
}

/// The values of a resource before it was disabled.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Before {
    /// Whether `defaultConfig` was `pluginConfig`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    plugin_config: bool,
    default_config_disable: Option<bool>,
    rules: Vec<Option<bool>>,
}

const DEFAULT: &[&str] = &["spec", "defaultConfigDisable"];
const NOTE: &[&str] = &["metadata", "annotations", DISABLED];

/// Disables a resource, so that a cluster does not run it: without a default and with every match rule disabled. An
/// annotation records the previous values, so that [`enable`] can restore them.
///
/// # Errors
///
/// It is disabled already, or has both `pluginConfig` and `defaultConfig`.
pub fn disable(text: &str, place: Place) -> Result<String, EditError> {
    let mut text = Text::new(text, place);
    if text.get(NOTE)?.is_some() {
        return Err(EditError::Already("disabled"));
    }
    let plugin_config = text.get(&["spec", "pluginConfig"])?.is_some_and(|value| !value.is_null());
    if plugin_config {
        if text.get(&["spec", "defaultConfig"])?.is_some() {
            return Err(EditError::Refused(
                "spec.defaultConfig has no effect next to `pluginConfig`: remove one of them".into(),
            ));
        }
        // `pluginConfig` would override all fields that disable the plug-in.
        text.rename(&["spec", "pluginConfig"], "defaultConfig")?;
    }
    let mut before =
        Before { plugin_config, default_config_disable: flag(&text, DEFAULT)?, rules: Vec::new() };
    let rules = rules_of(&text)?;
    let disabled = rules.iter().map(|rule| rule.get(RULE_DISABLED).and_then(Value::as_bool));
    before.rules.extend(disabled);
    let indices = indices(rules.len());
    let paths = rule_paths(&indices);
    let changes: Vec<_> = paths
        .iter()
        .zip(&before.rules)
        .filter(|(_, was)| **was != Some(true))
        .map(|(path, _)| (&path[..], Some(true.into())))
        .collect();
    text.change(&changes)?;
    disable_one(&mut text, DEFAULT)?;
    let note = serde_json::to_string(&before).map_err(|error| EditError::Refused(error.to_string()))?;
    text.set(NOTE, &Value::from(note))?;
    Ok(text.into_inner())
}

/// The field that disables a rule.
const RULE_DISABLED: &str = "configDisable";

fn rules_of(text: &Text) -> Result<Vec<Value>, EditError> {
    match text.get(&["spec", "matchRules"])? {
        Some(Value::Array(rules)) => Ok(rules),
        _ => Ok(Vec::new()),
    }
}

/// The keys of the entries of a list.
fn indices(length: usize) -> Vec<String> {
    (0..length).map(|index| format!("[{index}]")).collect()
}

/// The path of each rule's flag.
fn rule_paths(indices: &[String]) -> Vec<[&str; 4]> {
    indices.iter().map(|index| ["spec", "matchRules", index.as_str(), RULE_DISABLED]).collect()
}

/// Sets a flag unless it is set already.
fn disable_one(text: &mut Text, path: &[&str]) -> Result<(), EditError> {
    if flag(text, path)? == Some(true) { Ok(()) } else { text.set(path, &true.into()) }
}

fn flag(text: &Text, path: &[&str]) -> Result<Option<bool>, EditError> {
    Ok(text.get(path)?.and_then(|value| value.as_bool()))
}

/// Reverts the changes of [`disable`].
///
/// # Errors
///
/// It is not disabled, or by other means, or rules were added or removed since.
pub fn enable(text: &str, place: Place) -> Result<String, EditError> {
    let mut text = Text::new(text, place);
    let Some(note) = text.get(NOTE)? else {
        return Err(if flag(&text, DEFAULT)? == Some(true) {
            EditError::Refused(format!(
                "was disabled by hand: remove `defaultConfigDisable` or `configDisable` by hand \
                 (no annotation `{DISABLED}` records the previous values)"
            ))
        } else {
            EditError::Already("enabled")
        });
    };
    let before: Before = serde_json::from_str(note.as_str().unwrap_or_default()).map_err(|_| {
        EditError::Refused(format!(
            "the annotation `{DISABLED}` has been changed: remove it, and set `defaultConfigDisable` and \
             `configDisable` by hand"
        ))
    })?;
    let rules = rules_of(&text)?.len();
    if rules != before.rules.len() {
        return Err(EditError::Refused(format!(
            "there are {rules} match rules, and there were {} when it was disabled: set `configDisable` of each by \
             hand, and remove `defaultConfigDisable` and the annotation `{DISABLED}`",
            before.rules.len()
        )));
    }
    let indices = indices(rules);
    let paths = rule_paths(&indices);
    let changes: Vec<_> = paths
        .iter()
        .zip(&before.rules)
        .filter(|(_, was)| **was != Some(true))
        .map(|(path, was)| (&path[..], was.map(Value::from)))
        .collect();
    text.change(&changes)?;
    restore(&mut text, DEFAULT, before.default_config_disable)?;
    if before.plugin_config {
        text.rename(&["spec", "defaultConfig"], "pluginConfig")?;
    }
    let annotations = text.get(&["metadata", "annotations"])?;
    if annotations.as_ref().and_then(Value::as_object).is_some_and(|all| all.len() == 1) {
        text.unset(&["metadata", "annotations"])?;
    } else {
        text.unset(NOTE)?;
    }
    Ok(text.into_inner())
}

fn restore(text: &mut Text, path: &[&str], was: Option<bool>) -> Result<(), EditError> {
    match was {
        None => text.unset(path),
        Some(true) => Ok(()),
        Some(false) => text.set(path, &false.into()),
    }
}

/// Sets fields of a resource, each given by its keys; `null` removes a field.
///
/// # Errors
///
/// A field cannot be changed separately.
pub fn set(text: &str, place: Place, fields: &[(&[&str], Value)]) -> Result<String, EditError> {
    let mut text = Text::new(text, place);
    for (path, value) in fields {
        if value.is_null() {
            text.unset(path)?;
        } else if text.get(path)?.as_ref() != Some(value) {
            text.set(path, value)?;
        }
    }
    Ok(text.into_inner())
}

/// Replaces a file atomically. `before` is the expected content; `None` if the file must not exist.
///
/// # Errors
///
/// The file has been changed in the meantime, or cannot be written.
pub fn write(file: &Path, before: Option<&str>, after: &[u8]) -> io::Result<()> {
    // A symbolic link is kept.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.into());
    let is = match fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if is.as_deref() != before.map(str::as_bytes) {
        let message = "it has been changed in the meantime: review the change and run the command again";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".portcullis-").tempfile_in(folder)?;
    temporary.write_all(after)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&file).map_or(0o644, |is| is.permissions().mode());
        temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&file).map_err(|error| error.error)?;
    Ok(())
}
