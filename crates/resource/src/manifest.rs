//! `plugin.yaml`: the one description of a plug-in, read into types that cannot be wrong.
//!
//! What the build, the checks and the packages say about a plug-in comes from here, so a mistake in it is
//! refused with the file, the line, the field and what to write instead.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use config::{ConfigError, Every};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::stage::by_name;
use crate::yaml::{self, Fault};
use crate::{Category, Difference, FailStrategy, Object, Stage, hints, names};

/// The file's name.
pub const MANIFEST: &str = "plugin.yaml";

/// The largest file that the MSE console takes, in bytes.
///
/// Its page says "cannot exceed 50 MB" without saying which megabyte: 50,000,000 bytes pass in both readings.
pub const CONSOLE_LIMIT: u64 = 50_000_000;

/// The largest priority that Higress's console accepts. Custom plug-ins of MSE's have a multiple of 10 in addition,
/// which `plugin add` checks: the product's own, as ai-data-masking with 991, need not.
const MAX_PRIORITY: i32 = 1000;

/// What a plug-in's folder says about it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The package's name, which is the folder's and the artifact's too.
    pub name: String,
    /// The name that a console shows.
    pub title: String,
    /// The title in other languages, by BCP 47 tag (`zh-CN`).
    #[serde(default, rename = "titleI18n")]
    pub title_i18n: BTreeMap<String, String>,
    /// One sentence for a console's card.
    pub description: String,
    /// The description in other languages.
    #[serde(default, rename = "descriptionI18n")]
    pub description_i18n: BTreeMap<String, String>,
    /// The shelf of the console that the plug-in stands on.
    pub category: Category,
    /// Cargo's version of the package, repeated because consoles read only this file.
    pub version: String,
    /// The stage of request processing that the plug-in runs in.
    #[serde(with = "by_name")]
    pub stage: Stage,
    /// The place within the stage: larger runs earlier.
    pub priority: i32,
    /// What happens to requests when the module itself fails.
    pub fail_strategy: FailStrategy,
    /// Whether request headers are held back while the body callbacks run, which few gateways can.
    #[serde(default)]
    pub holds_headers: bool,
    /// True if it holds them only when its configuration requires it.
    #[serde(default)]
    pub may_hold_headers: bool,
    /// Whether bodies are held for inspection, so that the gateway's buffer limit has to cover them.
    #[serde(default)]
    pub buffers_bodies: bool,
    /// True if it reports the rules that a request has matched in the property `waf`, and its field `exclude` leaves rules out.
    #[serde(default)]
    pub reports_matches: bool,
    /// What the module may cost. A module that was built elsewhere needs none.
    #[serde(default)]
    pub budget: Budget,
    /// A configuration that the plug-in takes.
    pub example: Object,
    /// Differences from the counterpart of the plug-in in Higress.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// The most that a module may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Budget {
    /// Bytes of the release module.
    pub size: u64,
    /// What the requests of a case may cost together, by the case's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cases: BTreeMap<String, Cost>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { size: CONSOLE_LIMIT, cases: BTreeMap::new() }
    }
}

/// What requests cost in the embedded engine, which counts the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Cost {
    /// The module's instructions.
    pub instructions: u64,
    /// Its host calls.
    pub host_calls: u64,
}

/// Why a `plugin.yaml` is refused: everything that is wrong with it.
#[derive(Debug)]
pub struct ManifestError {
    file: PathBuf,
    /// At least one.
    mistakes: Vec<Mistake>,
}

#[derive(Debug)]
enum Mistake {
    /// At a place in the file.
    At(Fault),
    /// About the file as a whole.
    Whole(String),
}

impl ManifestError {
    fn whole(file: &Path, message: String) -> Self {
        Self { file: file.to_path_buf(), mistakes: vec![Mistake::Whole(message)] }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match mistake {
                Mistake::At(fault) => write!(f, "{}:{fault}", self.file.display())?,
                Mistake::Whole(message) => write!(f, "{}: {message}", self.file.display())?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads and checks the manifest in `file`, which errors call `shown`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each mistake with its line.
    pub fn read(file: &Path, shown: &Path) -> Result<Self, ManifestError> {
        Self::parse(shown, &text_of(file, shown)?)
    }

    /// Reads and checks the manifest of a module that was built elsewhere. It needs no budget.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_foreign(file: &Path) -> Result<Self, ManifestError> {
        Self::parse_with(file, &text_of(file, file)?, false)
    }

    /// Checks the text of a manifest; `file` is only named in errors.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn parse(file: &Path, text: &str) -> Result<Self, ManifestError> {
        Self::parse_with(file, text, true)
    }

    fn parse_with(file: &Path, text: &str, needs_budget: bool) -> Result<Self, ManifestError> {
        let refused = |mistakes| Err(ManifestError { file: file.to_path_buf(), mistakes });
        let documents = match yaml::read(text) {
            Ok(documents) => documents,
            Err(error) => return refused(vec![Mistake::At(Fault::no_yaml(text, error))]),
        };
        let [document] = documents.as_slice() else {
            let count = documents.len();
            return refused(vec![Mistake::Whole(format!("holds {count} documents: write one"))]);
        };
        let value = document.to_json();
        let (manifest, every) = Every::read::<Self>(&value, Some(&fillers()));
        let mut errors = every.into_errors();
        if needs_budget && value.is_object() && value.get("budget").is_none() {
            errors.push(ConfigError::new("", "`budget` is missing: add it"));
        }
        let at =
            |error: ConfigError| Mistake::At(Fault::refused(text, document, &hints::word(error, &value)));
        let mut mistakes: Vec<Mistake> = errors.into_iter().map(at).collect();
        for (field, message) in manifest.iter().flat_map(Self::check) {
            mistakes.push(Mistake::At(Fault::at(text, document, field, message)));
        }
        match manifest {
            Some(manifest) if mistakes.is_empty() => Ok(manifest),
            _ => refused(mistakes),
        }
    }

    /// What the types cannot say: fields, and what is wrong with each.
    fn check(&self) -> Vec<(String, String)> {
        let mut mistakes: Vec<(String, String)> =
            self.check_top().into_iter().map(|(field, message)| (field.to_owned(), message)).collect();
        for (index, difference) in self.differences.iter().enumerate() {
            mistakes.extend(difference.check().into_iter().map(|(entry, message)| {
                let dot = if entry.is_empty() { "" } else { "." };
                (format!("differences[{index}]{dot}{entry}"), message)
            }));
        }
        mistakes
    }

    fn check_top(&self) -> Vec<(&'static str, String)> {
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
            mistakes.push(("budget.size", "is 0 bytes: write the most that the module may weigh".into()));
        }
        if self.budget.size > CONSOLE_LIMIT {
            mistakes.push((
                "budget.size",
                format!(
                    "is {} bytes, and consoles take {} at most: write less",
                    self.budget.size, CONSOLE_LIMIT
                ),
            ));
        }
        mistakes
    }

    /// Whether Higress and MSE need a module of their own ABI of it, which alone may hold headers there.
    pub fn has_higress_flavour(&self) -> bool {
        self.holds_headers || self.may_hold_headers
    }

    /// Compares the manifest with the package beside it.
    ///
    /// # Errors
    ///
    /// Names the field that differs and both values.
    pub fn agrees_with(&self, file: &Path, name: &str, version: &str) -> Result<(), ManifestError> {
        for (field, ours, cargos) in [("name", &self.name, name), ("version", &self.version, version)] {
            if ours != cargos {
                let message =
                    format!("{field}: is `{ours}` here and `{cargos}` in Cargo.toml: write the same in both");
                return Err(ManifestError::whole(file, message));
            }
        }
        Ok(())
    }
}

fn text_of(file: &Path, shown: &Path) -> Result<String, ManifestError> {
    fs::read_to_string(file).map_err(|error| ManifestError::whole(shown, format!("cannot be read: {error}")))
}

/// Values for required fields that are missing, so that the rest of the file is checked too.
fn fillers() -> Value {
    let texts = ["name", "title", "description"].map(|field| (field, Value::from("text")));
    let others = [
        ("category", Category::Custom.name().into()),
        ("version", "0.1.0".into()),
        ("stage", Stage::Default.name().into()),
        ("priority", 0.into()),
        ("failStrategy", FailStrategy::Close.name().into()),
        ("example", json!({})),
        ("budget", json!({ "size": CONSOLE_LIMIT })),
    ];
    let fields = texts.into_iter().chain(others);
    let properties: Object =
        fields.map(|(field, value)| (field.into(), json!({ "default": value }))).collect();
    json!({ "properties": properties })
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
        assert_eq!(manifest.fail_strategy, FailStrategy::Close);
        assert_eq!(manifest.title_i18n["zh-CN"], "请求屏蔽");
        assert_eq!(manifest.budget.size, 1_150_000);
        assert!(manifest.buffers_bodies && !manifest.holds_headers);
    }

    #[test]
    fn each_mistake_names_file_line_field_and_remedy() {
        for (from, to, expected) in [
            ("priority: 320", "priorty: 320", "plugins/x/plugin.yaml:8:1: priorty: is not a known field"),
            ("priority: 320", "priorty: 320", "did you mean `priority`?"),
            (
                "stage: authn",
                "stage: auth",
                "plugins/x/plugin.yaml:7:1: stage: must be one of `authn`, `authz`",
            ),
            ("stage: authn", "stage: auth", "did you mean `authn`?"),
            ("stage: authn\n", "", "plugins/x/plugin.yaml:1:1: `stage` is missing: add it"),
            ("category: security", "category: securty", "did you mean `security`?"),
            (
                "{ size: 1150000 }",
                "{ bytes: 1 }",
                "plugins/x/plugin.yaml:11:11: budget.bytes: is not a known field",
            ),
            ("{ size: 1150000 }", "{ size: 0 }", "plugins/x/plugin.yaml:11:11: budget.size: is 0 bytes"),
            ("1150000", "52000000", "budget.size: is 52000000 bytes, and consoles take 50000000 at most"),
            (
                "priority: 320",
                "priority: high",
                "plugins/x/plugin.yaml:8:1: priority: must be a whole number",
            ),
            ("priority: 320", "priority: 3000000000", "priority: must be a whole number that fits"),
            ("title: Request Block", "title: ''", "plugins/x/plugin.yaml:2:1: title: is empty"),
            ("{ block_urls: [swagger.html] }", "swagger.html", "example: must be an object, found string"),
            ("name: request-block", "name: [", "plugins/x/plugin.yaml:"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{to:?} gave {error:?}, without {expected:?}");
        }
    }

    #[test]
    fn differences_have_one_subject_and_a_case() {
        let with = |difference: &str| parse(&format!("{GOOD}differences:\n- {{ {difference} }}\n"));
        let good = "ours: a, oursI18n: { zh-CN: 甲 }, theirs: b, case: a case";
        let manifest = with(&format!("field: block_urls, {good}")).unwrap();
        let difference = &manifest.differences[0];
        assert_eq!(difference.english().subject, "`block_urls`");
        assert_eq!((difference.english().ours, difference.case.as_str()), ("a", "a case"));
        assert_eq!(difference.translated("zh-CN").unwrap_err(), "theirsI18n");
        for (difference, expected) in [
            (
                good.to_owned(),
                "plugin.yaml:14:3: differences[0]: has no subject: write `field` or `behaviour`",
            ),
            (
                format!("field: a, behaviour: b, {good}"),
                "differences[0].behaviour: is given next to `field`: write one of them",
            ),
            (format!("field: '', {good}"), "differences[0].field: is empty"),
            ("field: a, ours: a, theirs: b".into(), "`case` is missing: add it"),
            (
                format!("field: a, {good}, cases: x"),
                "differences[0].cases: is not a known field: did you mean `case`?",
            ),
        ] {
            let error = with(&difference).unwrap_err();
            assert!(error.contains(expected), "{difference}: {error}");
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let error = parse("name: demo\ntitle: Demo\nversion: 1.0.0\nstage: early\n").unwrap_err();
        for field in ["description", "category", "priority", "failStrategy", "example", "budget"] {
            assert!(error.contains(&format!("plugin.yaml:1:1: `{field}` is missing: add it")), "{error}");
        }
        assert!(error.contains("plugin.yaml:4:1: stage: must be one of"), "{error}");
        assert_eq!(error.lines().count(), 7, "{error}");
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
        assert!(parse(&text).unwrap_err().contains("`budget` is missing: add it"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.yaml");
        fs::write(&file, &text).unwrap();
        assert_eq!(Manifest::read_foreign(&file).unwrap().name, "request-block");
        fs::write(&file, text.replace("stage: authn", "stage: early")).unwrap();
        assert!(Manifest::read_foreign(&file).unwrap_err().to_string().contains("stage: must be one of"));
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
