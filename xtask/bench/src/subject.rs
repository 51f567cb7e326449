//! A plug-in of this workspace: built, with its scenarios.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;
use serde_json::Value;

use crate::Failed;
use crate::progress;
use crate::scenario::{self, Scenario};

/// The workspace that the command was given in.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// Plug-ins under `plugins/`, and those that exist for tests.
    plugins: Vec<(String, PathBuf)>,
}

/// A plug-in that is measured.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) module: PathBuf,
    pub(crate) hold_headers: bool,
    pub(crate) scenarios: Vec<Scenario>,
}

/// What is wanted of a manifest; `cargo xtask` checks it whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    holds_headers: bool,
    #[serde(default)]
    example: Value,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo cannot read this workspace")?;
        let packages = metadata.packages.iter().filter_map(|package| {
            let folder = package.manifest_path.as_std_path().parent()?;
            folder.join("plugin.yaml").is_file().then(|| (package.name.to_string(), folder.to_path_buf()))
        });
        Ok(Self {
            plugins: packages.collect(),
            target: metadata.target_directory.as_std_path().to_path_buf(),
            root: metadata.workspace_root.into_std_path_buf(),
        })
    }

    /// The names of the plug-ins that have scenarios.
    pub(crate) fn with_scenarios(&self) -> Vec<String> {
        let has = |folder: &Path| folder.join("bench.yaml").is_file();
        self.plugins.iter().filter(|(_, folder)| has(folder)).map(|(name, _)| name.clone()).collect()
    }

    /// Builds a plug-in, in any spelling, and reads its scenarios.
    pub(crate) fn subject(&self, name: &str) -> Result<Subject> {
        progress::step(format_args!("building {name}"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(&self.root).args(["xtask", "build", name]).stdout(Stdio::null());
        let status = build.status().context("cargo cannot be started")?;
        if !status.success() {
            // It has said why.
            bail!(Failed(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)));
        }
        let name = name.to_lowercase().replace('_', "-");
        let (_, folder) = self
            .plugins
            .iter()
            .find(|(other, _)| *other == name)
            .with_context(|| format!("{name} was built and is no package"))?;
        let manifest: Manifest = serde_yaml::from_str(&fs::read_to_string(folder.join("plugin.yaml"))?)?;
        let file = folder.join("bench.yaml");
        let scenarios = if file.is_file() {
            scenario::load(&file, file.strip_prefix(&self.root).unwrap_or(&file))?
        } else {
            vec![scenario::plain("example", &manifest.example)?]
        };
        Ok(Subject {
            module: self.root.join("dist").join(&name).join("plugin.wasm"),
            hold_headers: manifest.holds_headers,
            scenarios,
            name,
        })
    }
}
