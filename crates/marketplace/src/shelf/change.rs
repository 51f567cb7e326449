//! Editing, configuring, enabling, disabling and deleting a plug-in.

use std::fs;

use anyhow::Context;
use gateway::folder::Entry;
use gateway::folder::edit::{self, EditError};
use resource::Object;
use resource::annotation::{DESCRIPTION, LANGUAGE, PREVIOUS, SOURCE, TITLE};
use serde_json::Value;

use super::{
    Action, Card, Module, Shelf, change, check_priority, check_url, module, not_editable, unblocked, write,
};
use crate::{Code, Refusal, Result};

/// A change of a plug-in's card or module. Absent values stay as they are.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The properties.
    pub card: Card,
    /// The module.
    pub module: Option<Module>,
}

impl Shelf {
    /// Edits a plug-in. Of one of the workspace, only the URL for clusters can be changed, also while it is enabled.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], or a file cannot be written.
    pub fn edit(&self, entry: &Entry, edit: &Edit, built_in: Option<&str>) -> Result<()> {
        let only_url = matches!(edit.module, Some(Module::Url(_))) && edit.card == Card::default();
        match &entry.source {
            Some(source) if built_in.is_none() => {
                unblocked(entry, Action::Switch, None)?;
                if !only_url {
                    let what = format!("{} is a plug-in of this workspace", entry.name);
                    let remedy = format!(
                        "`--url` names its image, `cargo xtask plugin configure` its fields, and everything else is in \
                         the folder of {source}"
                    );
                    return Err(Refusal::new(Code::PluginBuiltIn, what, remedy)
                        .with("name", &entry.name)
                        .into());
                }
            }
            _ => unblocked(entry, Action::Edit, built_in)?,
        }
        if let Some(priority) = edit.card.priority {
            check_priority(priority)?;
        }
        let mut fields = texts(&edit.card)?;
        fields.extend(edit.card.stage.map(|stage| (&["spec", "phase"][..], stage.phase().into())));
        fields.extend(edit.card.priority.map(|priority| (&["spec", "priority"][..], priority.into())));
        if fields.is_empty() && edit.module.is_none() {
            let remedy = "write `--wasm`, `--description` or another option";
            return Err(Refusal::new(Code::NothingToChange, "nothing is to be changed", remedy).into());
        }
        if edit.module.is_some() {
            // The digest belongs to the old module, and the file of the version before may be the one that is replaced.
            fields.push((&["spec", "sha256"], Value::Null));
            fields.push((&["metadata", "annotations", PREVIOUS], Value::Null));
        }
        let before =
            fs::read_to_string(&entry.file).with_context(|| format!("reading {}", entry.file.display()))?;
        match &edit.module {
            None => {}
            Some(Module::Url(url)) => {
                check_url(url)?;
                fields.push((&["spec", "url"], url.as_str().into()));
                if let Some(source) = &entry.source {
                    // Keep the plug-in that the image belongs to.
                    fields.push((&["metadata", "annotations", SOURCE], source.as_str().into()));
                }
            }
            Some(Module::File(file)) => {
                let name = format!("{}.wasm", entry.name);
                fields.push((&["spec", "url"], module::url(&name).into()));
                let bytes = module::checked(&entry.name, file)?;
                // Nothing is written if the text cannot be changed.
                edit::set(&before, entry.into(), &fields).map_err(|error| not_editable(entry, &error))?;
                module::put(&self.folder, &name, &bytes)?;
            }
        }
        let after = edit::set(&before, entry.into(), &fields).map_err(|error| not_editable(entry, &error))?;
        write(&entry.file, Some(&before), after.as_bytes())?;
        match &edit.module {
            Some(Module::File(_)) => self.remove_modules(entry, Some(&format!("{}.wasm", entry.name))),
            Some(Module::Url(_)) => self.remove_modules(entry, None),
            None => Ok(()),
        }
    }

    /// Removes the modules that a plug-in had, except the one with this file name and those that others use.
    fn remove_modules(&self, entry: &Entry, except: Option<&str>) -> Result<()> {
        let kept = except.map(module::url);
        let urls = std::iter::once(entry.resource.spec.url.clone()).chain(Self::previous_url(entry));
        urls.filter(|url| kept.as_ref() != Some(url) && !self.is_used(url, entry))
            .try_for_each(|url| module::remove(&self.folder, &entry.name, &url))
    }

    /// Replaces the configuration for requests that match no rule. Returns whether it has no effect, because
    /// `defaultConfigDisable` is set.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], or the file cannot be written.
    pub fn configure(&self, entry: &Entry, configuration: Object) -> Result<bool> {
        let field = entry.resource.configuration_field();
        if configuration.contains_key("_rules_") && !entry.resource.spec.match_rules.is_empty() {
            let what =
                format!("{} has rules, which the resource's own `matchRules` would replace", entry.name);
            return Err(Refusal::new(Code::ConfigurationInvalid, what, "write them there").into());
        }
        // `spec.wasm[0].config`, whose keys are `spec`, `wasm`, `[0]` and `config`.
        let field = field.replace('[', ".[");
        let path: Vec<&str> = field.split('.').collect();
        change(entry, |text, place| edit::set(text, place, &[(&path, Value::Object(configuration))]))?;
        let is_default = path.ends_with(&["defaultConfig"]);
        Ok(entry.enabled && entry.resource.spec.default_config_disable && is_default)
    }

    /// Enables or disables a plug-in. Returns false if it was already.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], or the file cannot be written.
    pub fn switch(&self, entry: &Entry, on: bool) -> Result<bool> {
        if let Some(mut refusal) = Self::blocked(entry, Action::Switch, None) {
            let state = if on { "enabled" } else { "disabled" };
            refusal.what = refusal.what.replace(Action::Switch.done(), state);
            return Err(refusal.into());
        }
        let mut changed = true;
        change(entry, |text, place| {
            let result = if on { edit::enable(text, place) } else { edit::disable(text, place) };
            match result {
                Err(EditError::Already(_)) => {
                    changed = false;
                    Ok(text.to_owned())
                }
                result => result,
            }
        })?;
        Ok(changed)
    }

    /// Deletes a plug-in, and its module unless another plug-in uses it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], or a file cannot be written.
    pub fn delete(&self, entry: &Entry, built_in: Option<&str>) -> Result<()> {
        unblocked(entry, Action::Delete, built_in)?;
        let file = entry.file.display();
        let before = fs::read_to_string(&entry.file).with_context(|| format!("reading {file}"))?;
        match edit::remove(&before, entry.into()).map_err(|error| not_editable(entry, &error))? {
            Some(rest) => write(&entry.file, Some(&before), rest.as_bytes())?,
            None => fs::remove_file(&entry.file).with_context(|| format!("removing {file}"))?,
        }
        self.remove_modules(entry, None)
    }

    /// Whether another plug-in uses a module.
    pub(super) fn is_used(&self, url: &str, except: &Entry) -> bool {
        let is_same = |other: &Entry| (&other.name, &other.namespace) == (&except.name, &except.namespace);
        self.content.plugins.iter().any(|other| !is_same(other) && other.resource.spec.url == url)
    }
}

type Field = (&'static [&'static str], Value);

fn texts(card: &Card) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    for (path, text, code) in [
        (&["metadata", "annotations", DESCRIPTION], &card.description, Code::DescriptionMissing),
        (&["metadata", "annotations", LANGUAGE], &card.language, Code::LanguageMissing),
        (&["metadata", "annotations", TITLE], &card.title, Code::TitleEmpty),
    ] {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            let what = "a text is empty, and the console asks for one";
            return Err(Refusal::new(code, what, "write at least a word").into());
        }
        fields.push((path, text.as_str().into()));
    }
    Ok(fields)
}
