//! `plugin.yaml`: the one description of a plug-in, read into types that cannot be wrong.
//!
//! What the build, the checks and the packages say about a plug-in comes from here, so a mistake in it is
//! refused with the file, the line, the field and what to write instead.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::semver::Version;
use serde::{Deserialize, Serialize};

use crate::names::{self, nearest};

/// The fields of every manifest.
const REQUIRED: &[&str] =
    &["name", "title", "description", "category", "version", "stage", "priority", "failStrategy", "example"];

/// The largest priority that Higress's console accepts. Custom plug-ins of MSE's have a multiple of 10 in addition,
/// which `plugin add` checks: the product's own, as ai-data-masking with 991, need not.
const MAX_PRIORITY: i32 = 1000;

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
    /// What the module may cost. A module that was built elsewhere needs none.
    #[serde(default)]
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

impl Default for Budget {
    fn default() -> Self {
        Self { size: crate::module::CONSOLE_LIMIT, cases: std::collections::BTreeMap::new() }
    }
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
    /// Everything that is wrong, at least one mistake.
    mistakes: Vec<Mistake>,
}

#[derive(Debug)]
struct Mistake {
    /// Line and column, both from 1.
    location: Option<(usize, usize)>,
    message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some((line, column)) = mistake.location {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads and checks the manifest in `file`, which errors call `shown`.
    pub(crate) fn read(file: &Path, shown: &Path) -> Result<Self, ManifestError> {
        Self::parse(shown, &text_of(file, shown)?)
    }

    /// Reads and checks the manifest of a module that was built elsewhere: as strictly, but it needs no budget.
    pub(crate) fn read_foreign(file: &Path) -> Result<Self, ManifestError> {
        Self::parse_with(file, &text_of(file, file)?, REQUIRED)
    }

    /// Checks the text of a manifest; `file` is only named in errors.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, ManifestError> {
        Self::parse_with(file, text, &[REQUIRED, &["budget"]].concat())
    }

    fn parse_with(file: &Path, text: &str, required: &[&str]) -> Result<Self, ManifestError> {
        let refused = |mistakes| ManifestError { file: file.to_path_buf(), mistakes };
        let parsed = serde_yaml::from_str::<Self>(text);
        let missing = missing(text, required);
        match parsed {
            // One mistake of another kind is reported alone: a name that is not known may be one that is missing.
            Err(error) if missing.is_empty() || !error.to_string().contains("missing field") => {
                Err(refused(vec![Mistake {
                    location: error.location().map(|at| (at.line(), at.column())),
                    message: remedy(&error),
                }]))
            }
            Ok(manifest) if missing.is_empty() => {
                let mistakes: Vec<Mistake> = manifest
                    .check()
                    .into_iter()
                    .map(|(field, message)| Mistake {
                        location: line_of(text, field).map(|line| (line, 1)),
                        message: format!("{field}: {message}"),
                    })
                    .collect();
                if mistakes.is_empty() { Ok(manifest) } else { Err(refused(mistakes)) }
            }
            _ => {
                let fields: Vec<String> = missing.iter().map(|field| format!("`{field}`")).collect();
                let (noun, them) = if missing.len() == 1 { ("field", "it") } else { ("fields", "them") };
                let message = format!(
                    "missing {noun} {}: add {them}, as in plugins/add-header/plugin.yaml",
                    fields.join(", ")
                );
                Err(refused(vec![Mistake { location: None, message }]))
            }
        }
    }

    /// What the types cannot say: top-level fields, and what is wrong with each.
    fn check(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        for (field, value) in
            [("name", &self.name), ("title", &self.title), ("description", &self.description)]
        {
            if value.trim().is_empty() {
                mistakes.push((field, "is empty: consoles show it, write at least one word".to_owned()));
            }
        }
        if !self.name.trim().is_empty()
            && let Err(message) = names::check_form(&self.name)
        {
            mistakes.push(("name", message));
        }
        if self.version.parse::<Version>().is_err() {
            mistakes.push((
                "version",
                format!(
                    "`{}` is not a version: write three numbers, as in 1.2.3 or 1.2.3-rc.1",
                    self.version
                ),
            ));
        }
        if !(0..=MAX_PRIORITY).contains(&self.priority) {
            mistakes.push((
                "priority",
                format!(
                    "is {}, and Higress's console takes none over {MAX_PRIORITY}: write 0 to {MAX_PRIORITY}",
                    self.priority
                ),
            ));
        }
        if self.budget.size == 0 {
            mistakes.push(("budget", "size is 0 bytes: write the most that the module may weigh".into()));
        }
        if self.budget.size > crate::module::CONSOLE_LIMIT {
            mistakes.push((
                "budget",
                format!(
                    "size is {} bytes, and consoles take {} at most: write less",
                    self.budget.size,
                    crate::module::CONSOLE_LIMIT
                ),
            ));
        }
        mistakes
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
                let message =
                    format!("{field}: is `{ours}` here and `{cargos}` in Cargo.toml: write the same in both");
                let mistakes = vec![Mistake { location: None, message }];
                return Err(ManifestError { file: file.to_path_buf(), mistakes });
            }
        }
        Ok(())
    }
}

/// The text of a manifest.
fn text_of(file: &Path, shown: &Path) -> Result<String, ManifestError> {
    fs::read_to_string(file).map_err(|error| ManifestError {
        file: shown.to_path_buf(),
        mistakes: vec![Mistake { location: None, message: format!("cannot be read: {error}") }],
    })
}

/// The fields that a manifest lacks; none where it is not a list of fields at all.
fn missing<'f>(text: &str, required: &[&'f str]) -> Vec<&'f str> {
    let Ok(serde_yaml::Value::Mapping(fields)) = serde_yaml::from_str(text) else { return Vec::new() };
    required.iter().copied().filter(|field| !fields.contains_key(*field)).collect()
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
    fn all_mistakes_of_a_kind_come_at_once() {
        let error = parse("name: demo\ntitle: Demo\nversion: 1.0.0\n").unwrap_err();
        assert_eq!(
            error,
            "plugins/x/plugin.yaml: missing fields `description`, `category`, `stage`, `priority`, `failStrategy`, \
             `example`, `budget`: add them, as in plugins/add-header/plugin.yaml"
        );
        let bad = GOOD
            .replace("name: request-block", "name: For_Eign")
            .replace("version: 0.1.0", "version: one")
            .replace("priority: 320", "priority: 5000");
        let error = parse(&bad).unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert!(
            lines[0].starts_with("plugins/x/plugin.yaml:1:1: name: `For_Eign` is not kebab-case"),
            "{error}"
        );
        assert!(
            lines[1].starts_with("plugins/x/plugin.yaml:6:1: version: `one` is not a version"),
            "{error}"
        );
        assert!(lines[2].starts_with("plugins/x/plugin.yaml:8:1: priority: is 5000"), "{error}");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn priorities_are_those_of_the_console() {
        for (priority, is_good) in
            [("0", true), ("991", true), ("1000", true), ("1001", false), ("5000", false), ("-10", false)]
        {
            let text = GOOD.replace("priority: 320", &format!("priority: {priority}"));
            match parse(&text) {
                Ok(_) => assert!(is_good, "{priority}"),
                Err(error) => {
                    assert!(!is_good && error.contains("write 0 to 1000"), "{priority}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_module_from_elsewhere_needs_no_budget() {
        let text = GOOD.replace("budget: { size: 1150000 }\n", "");
        assert!(parse(&text).unwrap_err().contains("missing field `budget`: add it"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.yaml");
        fs::write(&file, &text).unwrap();
        assert_eq!(Manifest::read_foreign(&file).unwrap().name, "request-block");
        fs::write(&file, text.replace("stage: authn", "stage: early")).unwrap();
        assert!(Manifest::read_foreign(&file).unwrap_err().to_string().contains("unknown variant `early`"));
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
