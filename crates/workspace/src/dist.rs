//! `dist/`: modules that are built, checked and ready to be packaged.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use abi::Abi;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::build::{self, Builder, Profile};
use crate::module::{Gateway, Report, Subject, check};
use crate::reproduce::Comparison;
use crate::{Error, Plugin, Result, Workspace};

/// The subfolder in `dist/<plug-in>` of a module for Higress and MSE only.
pub const HIGRESS: &str = "higress";

/// The form of a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Flavour {
    /// ABI 0.2.1.
    #[default]
    Any,
    /// ABI 0.2.100, if the plug-in holds headers, and with calls to Redis, if it has the feature `redis`.
    Higress,
}

/// How a plug-in is built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How to compile.
    pub profile: Profile,
    /// The form of the module.
    pub flavour: Flavour,
    /// Copy the module next to its source too.
    pub copy_to_source: bool,
}

/// The result of a build.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The module passed its checks.
    Built(Box<Built>),
    /// The module failed a check, and is not in `dist/`.
    Refused(Box<Report>),
}

/// A module that was built.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// The plug-in.
    pub plugin: String,
    /// The path of the module: in `dist/`, or in the target folder for a profile that is not for releases.
    pub files: Vec<PathBuf>,
    /// The module's size in bytes.
    pub size: u64,
    /// The size that its manifest allows.
    pub budget: u64,
    /// The module's size in an image, whose layers are gzip.
    pub gzip_size: u64,
    /// The ABI version that it declares.
    pub abi: Option<String>,
    /// The gateways that load it.
    pub gateways: Vec<Gateway>,
    /// Its digest.
    pub sha256: String,
    /// The result of a second build elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reproduced: Option<Comparison>,
    /// The gateways that load it, for a table's cell.
    #[serde(skip)]
    pub loads_in: String,
}

impl Workspace {
    /// Builds the module of a plug-in, checks it, and puts it into `dist/` if it is one to ship.
    ///
    /// # Errors
    ///
    /// It does not compile, or a file cannot be written.
    pub fn build(&self, builder: &Builder, plugin: &Plugin, options: Options) -> Result<Outcome> {
        let mut manifest = plugin.manifest()?;
        let for_higress = options.flavour == Flavour::Higress;
        let compiled = match for_higress && plugin.has_redis {
            true => builder.build_with_redis(plugin, options.profile)?,
            false => builder.build(plugin, options.profile)?,
        };
        let mut bytes = build::read(&compiled).map_err(Error::reading(&compiled))?;
        let mut folder = self.root.join("dist").join(&plugin.name);
        if for_higress && (manifest.has_higress_flavour() || plugin.has_redis) {
            folder.push(HIGRESS);
        }
        if for_higress && manifest.has_higress_flavour() {
            let failed = |reason: String| Error::Abi { plugin: plugin.name.clone(), reason };
            let changed = abi::declare(&bytes, Abi::Higress).map_err(|error| failed(format!("{error:#}")))?;
            bytes = changed.ok_or_else(|| failed("declares no ABI version to change".into()))?;
        }
        let size = bytes.len() as u64;
        let budget = manifest.budget.size;
        let mut files = match options.profile {
            Profile::Release => vec![folder.join("plugin.wasm")],
            Profile::WasmDev => {
                // The budget applies to releases.
                manifest.budget.size = u64::MAX;
                Vec::new()
            }
        };
        if options.copy_to_source {
            files.push(plugin.folder.join("plugin.wasm"));
        }
        let report = check(&Subject {
            file: compiled.clone(),
            size,
            bytes: &bytes,
            manifest: Some(&manifest),
            holds_headers: false,
        });
        if !report.ok() {
            return Ok(Outcome::Refused(Box::new(report)));
        }
        for file in &files {
            put(file, &bytes)?;
        }
        if files.is_empty() {
            files.push(compiled);
        }
        Ok(Outcome::Built(Box::new(Built {
            plugin: plugin.name.clone(),
            files,
            size,
            budget,
            gzip_size: gzip_size(&bytes).map_err(Error::io("compressing the module"))?,
            sha256: oci::digest(&bytes).trim_start_matches("sha256:").to_owned(),
            reproduced: None,
            loads_in: report.loads_in(),
            gateways: report
                .gateways
                .iter()
                .filter(|verdict| verdict.loads)
                .map(|verdict| verdict.gateway)
                .collect(),
            abi: report.abi,
        })))
    }
}

/// Replaces a file atomically.
fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(Error::io(format!("making the folder {}", folder.display())))?;
    let temporary = folder.join(format!(".plugin.wasm.{}", std::process::id()));
    let result = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, file));
    if result.is_err() {
        // The error below is reported; an error of the cleanup is ignored.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(Error::io(format!("writing {}", file.display())))
}

fn gzip_size(bytes: &[u8]) -> std::io::Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}
