//! New versions of a custom plug-in while it is enabled, and back.

use std::fs;
use std::path::Path;

use anyhow::Context;
use gateway::folder::Entry;
use gateway::folder::edit;
#[cfg(feature = "engine")]
use resource::Deployment;
use resource::Object;
use resource::annotation::{self, DESCRIPTION, LANGUAGE, PREVIOUS, TITLE};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, Card, Shelf, check_priority, module, not_editable, unblocked, write};
use crate::{Code, Refusal, Result};

/// A new version of a custom plug-in.
#[derive(Debug, Clone, Default)]
pub struct Version<'v> {
    /// The file of the module.
    pub module: Option<&'v Path>,
    /// Or its image.
    pub image: Option<&'v str>,
    /// Properties that change with it.
    pub card: Card,
    /// The configuration of the new version, for requests that match no rule.
    pub configuration: Option<Object>,
}

/// What a release replaced, in an annotation.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Previous {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_config: Option<Value>,
    phase: Value,
    priority: i32,
}

const NOTE: &[&str] = &["metadata", "annotations", PREVIOUS];

impl Previous {
    fn of(entry: &Entry) -> Result<Self> {
        let spec = serde_json::to_value(&entry.resource.spec).context("reading the resource")?;
        Ok(Self {
            url: entry.resource.spec.url.clone(),
            sha256: spec.get("sha256").and_then(Value::as_str).map(str::to_owned),
            default_config: entry.resource.spec.default_config.clone().map(Value::Object),
            phase: entry.resource.spec.phase.phase().into(),
            priority: entry.resource.spec.priority,
        })
    }

    fn read(entry: &Entry) -> Option<Self> {
        serde_json::from_str(annotation::get(&entry.resource, PREVIOUS)?).ok()
    }
}

impl Shelf {
    /// Whether there is a previous version to return to.
    #[must_use]
    pub fn has_previous(entry: &Entry) -> bool {
        Previous::read(entry).is_some()
    }

    pub(super) fn previous_url(entry: &Entry) -> Option<String> {
        Previous::read(entry).map(|previous| previous.url)
    }

    /// Releases a new version of a custom plug-in, which may be enabled. The module is written under a name of its own
    /// first, then the resource is replaced, so the old version runs until the new one is there.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], also if the new module rejects the configuration, or a file cannot be written.
    pub fn release(&self, entry: &Entry, version: &Version<'_>, built_in: Option<&str>) -> Result<()> {
        unblocked(entry, Action::Release, built_in)?;
        if let Some(priority) = version.card.priority {
            check_priority(priority)?;
        }
        let url = match (version.module, version.image) {
            (Some(file), _) => {
                let bytes = module::checked(&entry.name, file)?;
                accepts(entry, &bytes, version.configuration.as_ref())?;
                let digest = digest(&bytes);
                module::put(&self.folder, &format!("{}@{digest}.wasm", entry.name), &bytes)?
            }
            (None, Some(image)) => {
                super::check_url(image)?;
                image.to_owned()
            }
            (None, None) => {
                let remedy = "name it with `--wasm` or `--url`";
                return Err(Refusal::new(Code::ModuleMissing, "a new version needs a module", remedy).into());
            }
        };
        let before_previous = Self::previous_url(entry);
        let note = serde_json::to_string(&Previous::of(entry)?).context("recording the version")?;
        let mut fields: Vec<(&[&str], Value)> = vec![
            (&["spec", "url"], url.clone().into()),
            // The digest belongs to the old module.
            (&["spec", "sha256"], Value::Null),
        ];
        for (path, text) in [
            (&["metadata", "annotations", DESCRIPTION], &version.card.description),
            (&["metadata", "annotations", LANGUAGE], &version.card.language),
            (&["metadata", "annotations", TITLE], &version.card.title),
        ] {
            fields.extend(text.as_deref().map(|text| (&path[..], Value::from(text))));
        }
        fields.extend(version.card.stage.map(|stage| (&["spec", "phase"][..], stage.phase().into())));
        fields.extend(version.card.priority.map(|priority| (&["spec", "priority"][..], priority.into())));
        if let Some(configuration) = &version.configuration {
            fields.push((&["spec", "defaultConfig"], Value::Object(configuration.clone())));
        }
        fields.push((NOTE, note.into()));
        let current = entry.resource.spec.url.as_str();
        if let Err(error) = replace(entry, &fields) {
            if url != current {
                module::remove(&self.folder, &entry.name, &url)?;
            }
            return Err(error);
        }
        // Of the versions before, one is kept.
        match before_previous {
            Some(old) if old != url && old != current && !self.is_used(&old, entry) => {
                module::remove(&self.folder, &entry.name, &old)
            }
            _ => Ok(()),
        }
    }

    /// Returns to the previous version. The current one becomes the previous one.
    ///
    /// # Errors
    ///
    /// There is no previous version, or another [`Refusal`], or the file cannot be written.
    pub fn roll_back(&self, entry: &Entry) -> Result<()> {
        unblocked(entry, Action::Release, None)?;
        let Some(previous) = Previous::read(entry) else {
            let what = format!("{} has no previous version", entry.name);
            return Err(Refusal::new(Code::NoPreviousVersion, what, "").with("name", &entry.name).into());
        };
        let note = serde_json::to_string(&Previous::of(entry)?).context("recording the version")?;
        let fields: Vec<(&[&str], Value)> = vec![
            (&["spec", "url"], previous.url.into()),
            (&["spec", "sha256"], previous.sha256.map_or(Value::Null, Value::from)),
            (&["spec", "defaultConfig"], previous.default_config.unwrap_or_default()),
            (&["spec", "phase"], previous.phase),
            (&["spec", "priority"], previous.priority.into()),
            (NOTE, note.into()),
        ];
        replace(entry, &fields)
    }
}

/// Validates the configuration of a new version with its module.
#[cfg(feature = "engine")]
fn accepts(entry: &Entry, bytes: &[u8], configuration: Option<&Object>) -> Result<()> {
    use resource::yaml::{Fault, Position, Span};

    let mut resource = entry.resource.clone();
    if let Some(configuration) = configuration {
        resource.spec.default_config = Some(configuration.clone());
    }
    let Ok(Deployment::Document(document)) = resource.deployment() else { return Ok(()) };
    let module = crate::AskedModule::new(&entry.name, bytes, None)?;
    let start = Position { line: 1, column: 1 };
    let mistakes: Vec<Fault> = module
        .errors(&Value::Object(document))?
        .iter()
        .map(|error| Fault::new("", Span { start, end: start }, error.path(), error.message()))
        .collect();
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(Refusal::mistakes(&entry.file, mistakes).into()),
    }
}

#[cfg(not(feature = "engine"))]
fn accepts(_: &Entry, _: &[u8], _: Option<&Object>) -> Result<()> {
    Err(anyhow::Error::new(crate::NeedsEngine).into())
}

fn replace(entry: &Entry, fields: &[(&[&str], Value)]) -> Result<()> {
    let before =
        fs::read_to_string(&entry.file).with_context(|| format!("reading {}", entry.file.display()))?;
    let after = edit::set(&before, entry.into(), fields).map_err(|error| not_editable(entry, &error))?;
    write(&entry.file, Some(&before), after.as_bytes())
}

/// Twelve hexadecimal digits of a module's digest, which name its file.
fn digest(bytes: &[u8]) -> String {
    oci::digest(bytes).trim_start_matches("sha256:").chars().take(12).collect()
}
