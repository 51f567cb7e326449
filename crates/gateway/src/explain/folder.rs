//! Explains a request with what is known about the plug-ins of a workspace.

use std::fmt;
use std::path::Path;

use config::ConfigError;
use serde_json::Value;

use super::{Applies, Explanation, Request, explain};
use crate::Routes;
use crate::folder::{self, Entry, Fault, StageOrder};
use crate::plugins::Plugins;
use crate::secret::Redactor;

/// A request cannot be explained.
#[derive(Debug)]
pub enum ExplainError {
    /// Files of the folder have errors.
    Faults(Vec<Fault>),
    /// A rule is not valid.
    Rule(ConfigError),
    /// A plug-in of the workspace cannot be built or queried.
    Plugin(workspace::Error),
}

impl fmt::Display for ExplainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Rule(error) => error.fmt(f),
            Self::Plugin(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExplainError {}

/// Explains a request in a folder, with the secrets of configurations hidden.
///
/// # Errors
///
/// The folder or its routes have errors, or a plug-in of the workspace cannot be queried.
pub fn explain_folder(
    folder: &Path,
    order: StageOrder,
    request: &Request,
    plugins: Option<&Plugins>,
    redactor: &Redactor,
) -> Result<Explanation, ExplainError> {
    let folder_plugins = folder::read(folder, order).sound().map_err(ExplainError::Faults)?;
    let routes = Routes::of_folder(folder).map_err(ExplainError::Faults)?;
    let source = |entry: &Entry| {
        let plugins = plugins?;
        Some((plugins, plugins.get(entry.source.as_deref()?)?))
    };
    // Only the plug-in's own code knows what its rules inherit.
    let mut failed = None;
    let mut inherits = |entry: &Entry, document: &Value| {
        let Some((plugins, plugin)) = source(entry) else { return false };
        // A document that the plug-in refuses has no rules.
        let accepted =
            plugins.check(plugin, document).map(|refused| refused.is_some_and(|all| all.is_empty()));
        let inherits = accepted.and_then(|accepted| Ok(accepted && plugins.rules_start_from_global(plugin)?));
        inherits.unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    };
    let mut explanation =
        explain(&folder_plugins, &routes, request, &mut inherits).map_err(ExplainError::Rule)?;
    if let Some(error) = failed {
        return Err(ExplainError::Plugin(error));
    }
    if redactor.is_disabled() {
        return Ok(explanation);
    }
    for (plugin, entry) in explanation.plugins.iter_mut().zip(&folder_plugins.plugins) {
        let (Applies::Rule { configuration, .. } | Applies::Default { configuration }) = &mut plugin.applies
        else {
            continue;
        };
        if configuration.is_empty() {
            continue;
        }
        // Without a schema, secrets are recognised by the names of their fields.
        let schema = source(entry).map(|(plugins, plugin)| plugins.schema(plugin));
        let schema = schema.transpose().map_err(ExplainError::Plugin)?.flatten();
        redactor.configuration(configuration, schema.as_ref());
    }
    Ok(explanation)
}
