//! `plugin.yaml`: the one description of a plug-in, read into types that cannot be wrong.
//!
//! What the build, the checks and the packages say about a plug-in comes from here, so a mistake in it is
//! refused with the file, the line, the field and what to write instead.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::names::nearest;

/// What a plug-in's folder says about it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The package's name, which is the folder's and the artifact's too.
    pub(crate) name: String,
    /// The name that a console shows.
    pub(crate) title: String,
    /// The title in other languages, by BCP 47 tag (`zh-CN`).
    #[serde(default, rename = "titleI18n")]
    pub(crate) title_i18n: std::collections::BTreeMap<String, String>,
    /// One sentence for a console's card.
    pub(crate) description: String,
    /// The description in other languages.
    #[serde(default, rename = "descriptionI18n")]
    pub(crate) description_i18n: std::collections::BTreeMap<String, String>,
    /// The shelf of the console that the plug-in stands on.
    pub(crate) category: Category,
    /// Cargo's version of the package, repeated because consoles read only this file.
    pub(crate) version: String,
    /// The stage of request processing that the plug-in runs in.
    pub(crate) stage: Stage,
    /// The place within the stage: larger runs earlier.
    pub(crate) priority: i32,
    /// What happens to requests when the module itself fails.
    pub(crate) fail_strategy: FailStrategy,
    /// Whether request headers are held back while the body callbacks run, which few gateways can.
    #[serde(default)]
    pub(crate) holds_headers: bool,
    /// Whether it holds them back where its configuration says so, and does without otherwise.
    #[serde(default)]
    pub(crate) may_hold_headers: bool,
    /// Whether bodies are held for inspection, so that the gateway's buffer limit has to cover them.
    #[serde(default)]
    pub(crate) buffers_bodies: bool,
    /// What the module may cost.
    pub(crate) budget: Budget,
    /// A configuration that the plug-in takes.
    pub(crate) example: serde_json::Map<String, serde_json::Value>,
}

/// The most that a module may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Bytes of the release module.
    pub(crate) size: u64,
    /// What the requests of a case may cost together, by the case's name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) cases: std::collections::BTreeMap<String, Cost>,
}

/// What requests cost in the embedded engine, which counts the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    /// The module's instructions.
    pub(crate) instructions: u64,
    /// Its host calls.
    pub(crate) host_calls: u64,
}

/// The shelves of a console's plug-in marketplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Category {
    Auth,
    Security,
    Protocol,
    FlowControl,
    FlowMonitor,
    Custom,
    Ai,
    Traffic,
    Transform,
    O11y,
}

/// The stages that a request runs through, as the `WasmPlugin` resource names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// Authentication.
    Authn,
    /// Authorization.
    Authz,
    /// Statistics.
    Stats,
    /// After the others; the resource's `UNSPECIFIED_PHASE`.
    Default,
}

/// What happens to requests when the module fails to load or traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FailStrategy {
    /// They pass without the plug-in.
    FailOpen,
    /// They are answered with 503.
    FailClose,
}

/// Why a `plugin.yaml` is refused.
#[derive(Debug)]
pub(crate) struct ManifestError {
    file: PathBuf,
    /// Line and column, both from 1.
    location: Option<(usize, usize)>,
    message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.location {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads and checks the manifest in `file`, which errors call `shown`.
    pub(crate) fn read(file: &Path, shown: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(file).map_err(|error| ManifestError {
            file: shown.to_path_buf(),
            location: None,
            message: format!("cannot be read: {error}"),
        })?;
        Self::parse(shown, &text)
    }

    /// Checks the text of a manifest; `file` is only named in errors.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_yaml::from_str(text).map_err(|error| ManifestError {
            file: file.to_path_buf(),
            location: error.location().map(|at| (at.line(), at.column())),
            message: remedy(&error),
        })?;
        manifest.check().map_err(|(field, message)| ManifestError {
            file: file.to_path_buf(),
            location: line_of(text, field).map(|line| (line, 1)),
            message: format!("{field}: {message}"),
        })?;
        Ok(manifest)
    }

    /// What the types cannot say. The error is a top-level field and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        for (field, value) in
            [("name", &self.name), ("title", &self.title), ("description", &self.description)]
        {
            if value.trim().is_empty() {
                return Err((field, "is empty: consoles show it, write at least one word".into()));
            }
        }
        if self.budget.size == 0 {
            return Err(("budget", "size is 0 bytes: write the most that the module may weigh".into()));
        }
        if self.budget.size > crate::module::CONSOLE_LIMIT {
            return Err((
                "budget",
                format!(
                    "size is {} bytes, and consoles take {} at most: write less",
                    self.budget.size,
                    crate::module::CONSOLE_LIMIT
                ),
            ));
        }
        Ok(())
    }

    /// Whether Higress and MSE need a module of their own ABI of it, which alone may hold headers there.
    pub(crate) fn has_higress_flavour(&self) -> bool {
        self.holds_headers || self.may_hold_headers
    }

    /// Compares the manifest with the package beside it.
    ///
    /// # Errors
    ///
    /// Names the field that differs and both values.
    pub(crate) fn agrees_with(&self, file: &Path, name: &str, version: &str) -> Result<(), ManifestError> {
        for (field, ours, cargos) in [("name", &self.name, name), ("version", &self.version, version)] {
            if ours != cargos {
                return Err(ManifestError {
                    file: file.to_path_buf(),
                    location: None,
                    message: format!(
                        "{field}: is `{ours}` here and `{cargos}` in Cargo.toml: write the same in both"
                    ),
                });
            }
        }
        Ok(())
    }
}

/// serde's message without its position (which goes in front), with the nearest name or the reason to have the field.
fn remedy(error: &serde_yaml::Error) -> String {
    let full = error.to_string();
    let message = full.split(" at line ").next().unwrap_or(&full).trim_end();
    let mut names = message.split('`').skip(1).step_by(2);
    if message.contains("unknown field") || message.contains("unknown variant") {
        let unknown = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        if let Some(near) = nearest(unknown, known.iter().copied()) {
            return format!("{message}: did you mean `{near}`?");
        }
    }
    if message.contains("missing field") {
        return format!("{message}: add it, as in plugins/add-header/plugin.yaml");
    }
    message.to_owned()
}

/// The line (from 1) on which a top-level field stands.
fn line_of(text: &str, field: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.strip_prefix(field).is_some_and(|rest| rest.trim_start().starts_with(':')))
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
name: request-block
title: Request Block
titleI18n: { zh-CN: 请求屏蔽 }
description: Blocks requests by URL, header and body
category: security
version: 0.1.0
stage: authn
priority: 320
failStrategy: FAIL_CLOSE
buffersBodies: true
budget: { size: 1150000 }
example: { block_urls: [swagger.html] }
";

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(Path::new("plugins/x/plugin.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_complete_manifest_is_read() {
        let manifest = parse(GOOD).unwrap();
        assert_eq!(manifest.stage, Stage::Authn);
        assert_eq!(manifest.category, Category::Security);
        assert_eq!(manifest.fail_strategy, FailStrategy::FailClose);
        assert_eq!(manifest.title_i18n["zh-CN"], "请求屏蔽");
        assert_eq!(manifest.budget.size, 1_150_000);
        assert!(manifest.buffers_bodies && !manifest.holds_headers);
    }

    #[test]
    fn each_mistake_names_file_line_field_and_remedy() {
        for (from, to, expected) in [
            ("priority: 320", "priorty: 320", "plugins/x/plugin.yaml:8:1: unknown field `priorty`"),
            ("priority: 320", "priorty: 320", "did you mean `priority`?"),
            ("stage: authn", "stage: auth", "plugins/x/plugin.yaml:7:8: stage: unknown variant `auth`"),
            ("stage: authn", "stage: auth", "did you mean `authn`?"),
            ("stage: authn\n", "", "missing field `stage`: add it"),
            ("category: security", "category: securty", "did you mean `security`?"),
            ("{ size: 1150000 }", "{ bytes: 1 }", "budget: unknown field `bytes`, expected `size`"),
            ("{ size: 1150000 }", "{ size: 0 }", "plugins/x/plugin.yaml:11:1: budget: size is 0 bytes"),
            ("1150000", "52000000", "budget: size is 52000000 bytes, and consoles take 50000000 at most"),
            ("priority: 320", "priority: high", "plugins/x/plugin.yaml:8:11: priority: invalid type: string"),
            ("priority: 320", "priority: 3000000000", "priority: invalid value: integer `3000000000`"),
            ("title: Request Block", "title: ''", "plugins/x/plugin.yaml:2:1: title: is empty"),
            ("{ block_urls: [swagger.html] }", "swagger.html", "example: invalid type: string"),
            ("name: request-block", "name: [", "plugins/x/plugin.yaml:"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{to:?} gave {error:?}, without {expected:?}");
        }
    }

    #[test]
    fn the_manifest_must_agree_with_cargo() {
        let manifest = parse(GOOD).unwrap();
        let file = Path::new("plugin.yaml");
        assert!(manifest.agrees_with(file, "request-block", "0.1.0").is_ok());
        let error = manifest.agrees_with(file, "request-block", "0.2.0").unwrap_err().to_string();
        assert!(error.contains("version: is `0.1.0` here and `0.2.0` in Cargo.toml"), "{error}");
        let error = manifest.agrees_with(file, "other", "0.1.0").unwrap_err().to_string();
        assert!(error.contains("name: is `request-block` here and `other`"), "{error}");
    }
}
