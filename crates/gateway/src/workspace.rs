//! The workspace around the gateway: its plug-ins, and `cargo xtask`, which builds them and asks them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use resource::yaml;
use serde::Deserialize;
use serde_json::Value;

/// Where plug-ins are; the second folder has those that exist for tests.
const FOLDERS: [&str; 2] = ["plugins", "crates/testkit/fixtures"];

/// What plug-ins may be made of beside their own folder. Which of the crates one depends on cargo knows: it builds nothing
/// anew when another has changed.
const SHARED: [&str; 3] = ["crates", "Cargo.toml", "Cargo.lock"];

/// The workspace.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// How its plug-ins are built: a profile of `cargo xtask build`.
    pub profile: String,
    /// The program that `cargo xtask` is, where that is known: cargo would look at its sources each time.
    pub xtask: Option<PathBuf>,
}

/// A plug-in whose source is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its version.
    pub version: String,
    /// Whether it holds headers until it has seen the body.
    pub holds_headers: bool,
}

/// Why a plug-in refuses a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The place in the document.
    pub path: String,
    /// What is wrong there and what to write instead.
    pub message: String,
}

/// What `cargo xtask config --json` says of a document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(default)]
    errors: Vec<Refusal>,
    #[serde(default)]
    rules_start_from_global: bool,
}

impl Workspace {
    /// The plug-in of this name, in any spelling.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<Plugin> {
        let name = name.to_lowercase().replace('_', "-");
        if name.is_empty() || name.contains(['/', '.']) {
            return None;
        }
        let folder = FOLDERS
            .iter()
            .map(|folder| self.root.join(folder).join(&name))
            .find(|folder| folder.join("plugin.yaml").is_file())?;
        let text = fs::read_to_string(folder.join("plugin.yaml")).ok()?;
        let manifest = yaml::read(&text).ok()?.first()?.to_json();
        let version = manifest.get("version").and_then(Value::as_str).unwrap_or_default().to_owned();
        // Where headers may be held, who does not hold them is none the worse for it.
        let says = |field: &str| manifest.get(field).and_then(Value::as_bool).unwrap_or_default();
        let holds_headers = says("holdsHeaders") || says("mayHoldHeaders");
        Some(Plugin { name, folder, version, holds_headers })
    }

    /// The names of the plug-ins under `plugins/`.
    #[must_use]
    pub fn plugins(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("plugins")).into_iter().flatten().flatten();
        let with_manifest = entries.filter(|entry| entry.path().join("plugin.yaml").is_file());
        let mut names: Vec<String> =
            with_manifest.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The files and folders that its module is made of.
    #[must_use]
    pub fn sources(&self, plugin: &Plugin) -> Vec<PathBuf> {
        let shared: Vec<PathBuf> = SHARED.iter().map(|path| self.root.join(path)).collect();
        let own = Some(&plugin.folder).filter(|own| !shared.iter().any(|path| own.starts_with(path)));
        own.cloned().into_iter().chain(shared).collect()
    }

    /// Builds the plug-in's module, and says where it is.
    ///
    /// # Errors
    ///
    /// It does not compile, or fails the checks; what was said stands on stderr.
    pub fn build(&self, plugin: &Plugin) -> Result<PathBuf> {
        #[derive(Deserialize)]
        struct Built {
            files: Vec<PathBuf>,
        }
        let output = self
            .xtask(["build", &plugin.name, "--profile", &self.profile, "--json"])
            .stderr(Stdio::inherit())
            .output()
            .context("cargo cannot be started")?;
        if !output.status.success() {
            bail!("{} could not be built: see above", plugin.name);
        }
        let built: Vec<Built> = serde_json::from_slice(&output.stdout).context("reading what was built")?;
        let file = built.into_iter().next().and_then(|built| built.files.into_iter().next());
        file.with_context(|| format!("{} was built, and no module named", plugin.name))
    }

    /// Everything that the plug-in's own code says to a document; nothing when it takes it, or when only Envoy can tell (a
    /// plug-in of the classic style).
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    pub fn check(&self, plugin: &Plugin, document: &Value) -> Result<Vec<Refusal>> {
        Ok(self.reports(plugin, document)?.into_iter().flat_map(|report| report.errors).collect())
    }

    /// Whether the rules of a document have what they do not write from the global fields. Of a document that is refused
    /// nobody knows, nor of a plug-in of the classic style.
    ///
    /// # Errors
    ///
    /// The plug-in cannot be asked.
    pub fn rules_start_from_global(&self, plugin: &Plugin, document: &Value) -> Result<bool> {
        Ok(self.reports(plugin, document)?.iter().any(|report| report.rules_start_from_global))
    }

    /// The schema of the plug-in's fields, OpenAPI v3; nothing for one of the classic style.
    ///
    /// # Errors
    ///
    /// The plug-in cannot be asked.
    pub fn schema(&self, plugin: &Plugin) -> Result<Option<Value>> {
        let output =
            self.xtask(["schema", &plugin.name, "--json"]).output().context("cargo cannot be started")?;
        if output.stdout.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("is of the classic style") {
                return Ok(None);
            }
            bail!("{} cannot be asked for its schema: {}", plugin.name, said.trim());
        }
        let schema: Value = serde_json::from_slice(&output.stdout).context("reading the plug-in's schema")?;
        Ok(schema.pointer("/configSchema/openAPIV3Schema").cloned())
    }

    /// What the plug-in's own code says; nothing for one of the classic style.
    fn reports(&self, plugin: &Plugin, document: &Value) -> Result<Vec<Report>> {
        let mut child = self
            .xtask(["config", "-", "--plugin", &plugin.name, "--json"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cargo cannot be started")?;
        if let Some(mut stdin) = child.stdin.take() {
            use std::io::Write as _;
            // A program that has stopped before says why below.
            let _ = stdin.write_all(document.to_string().as_bytes());
        }
        let output = child.wait_with_output().context("waiting for the plug-in's answer")?;
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("is of the classic style") {
            return Ok(Vec::new());
        }
        if output.stdout.is_empty() {
            bail!("{} cannot be asked about its configuration: {}", plugin.name, said.trim());
        }
        serde_json::from_slice(&output.stdout).context("reading the plug-in's answer")
    }

    fn xtask<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = match &self.xtask {
            Some(program) => self.here(program),
            None => {
                let mut cargo = self.cargo();
                cargo.args(["run", "--quiet", "--locked", "--package", "xtask", "--"]);
                cargo
            }
        };
        command.args(args);
        command
    }

    fn cargo(&self) -> Command {
        self.here(Path::new(&std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
    }

    fn here(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null()).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// A path for people: relative to where the command was given, where it is inside.
    #[must_use]
    pub fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        let here = std::env::current_dir().unwrap_or_default();
        match path.strip_prefix(&here) {
            // An empty path is not one that can be opened.
            Ok(inside) if inside.as_os_str().is_empty() => Path::new("."),
            Ok(inside) => inside,
            Err(_) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_for_people_can_be_opened() {
        let workspace =
            Workspace { root: PathBuf::new(), target: PathBuf::new(), profile: String::new(), xtask: None };
        let here = std::env::current_dir().unwrap();
        for (path, shown) in
            [(here.clone(), "."), (here.join("src/lib.rs"), "src/lib.rs"), ("/x".into(), "/x")]
        {
            assert_eq!(workspace.shown(&path), Path::new(shown));
        }
    }

    #[test]
    fn what_a_plug_in_is_made_of_counts_and_what_others_are_made_of_does_not() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workspace = Workspace { root, target: PathBuf::new(), profile: String::new(), xtask: None };
        for (plugin, file, expected) in [
            ("ai-data-masking", "plugins/ai-data-masking/words/zh.txt", true),
            ("ai-data-masking", "crates/text/src/sse.rs", true),
            ("ai-data-masking", "Cargo.lock", true),
            ("ai-data-masking", "plugins/say-hello/src/lib.rs", false),
            ("ai-data-masking", "xtask/src/main.rs", false),
            ("stamp", "crates/testkit/fixtures/stamp/src/lib.rs", true),
        ] {
            let sources = workspace.sources(&workspace.plugin(plugin).unwrap());
            let file = workspace.root.join(file);
            assert_eq!(sources.iter().any(|source| file.starts_with(source)), expected, "{file:?}");
        }
    }
}
