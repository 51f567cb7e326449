//! Modules of custom plug-ins, in a subfolder.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use resource::{CONSOLE_LIMIT, Manifest};
use workspace::module::{Report, Subject, check};

use crate::{Code, Refusal, Result};

/// The subfolder for modules of custom plug-ins.
pub const MODULES: &str = "modules";

/// Checks a file like the console.
///
/// # Errors
///
/// The file cannot be read. Failed checks are in the report.
pub fn check_file(file: &Path, manifest: Option<&Manifest>) -> Result<Report> {
    let unusable = |what: String, remedy: &str| {
        Refusal::new(Code::ModuleMissing, what, remedy).with("file", file.display())
    };
    if file.is_dir() {
        let what = format!("{} is a folder", file.display());
        return Err(unusable(what, "name the .wasm file in it").into());
    }
    let mut open = fs::File::open(file).map_err(|error| {
        let what = format!("{} cannot be opened: {error}", file.display());
        unusable(what, "name a plug-in or a .wasm file")
    })?;
    let size = open.metadata().with_context(|| format!("reading {}", file.display()))?.len();
    let mut bytes = Vec::new();
    if size <= CONSOLE_LIMIT {
        open.read_to_end(&mut bytes).with_context(|| format!("reading {}", file.display()))?;
    }
    Ok(check(&Subject { file: PathBuf::from(file), size, bytes: &bytes, manifest, holds_headers: false }))
}

/// The bytes of a module that passes the checks of the console.
pub(super) fn checked(name: &str, file: &Path) -> Result<Vec<u8>> {
    let report = check_file(file, None)?;
    if report.ok() {
        let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        return Ok(bytes);
    }
    let failed = report.checks.iter().find(|check| !check.ok);
    let code = match failed.map(|check| check.name) {
        Some("extension") => Code::ModuleName,
        Some("size") => Code::ModuleTooLarge,
        _ => Code::ModuleInvalid,
    };
    let detail = failed.map(|check| check.detail.clone()).unwrap_or_default();
    let what = format!("{name}: {}: {detail}", file.display());
    let refusal = Refusal::new(code, what, "").with("file", file.display()).with("detail", detail);
    Err(Refusal { report: Some(Box::new(report)), ..refusal }.into())
}

/// Writes a module into the folder under this file name, and returns its `url`.
pub(super) fn put(folder: &Path, file: &str, bytes: &[u8]) -> Result<String> {
    let modules = folder.join(MODULES);
    fs::create_dir_all(&modules).with_context(|| format!("creating {}", modules.display()))?;
    let path = modules.join(file);
    let mut temporary = tempfile::Builder::new()
        .prefix(".portcullis-")
        .tempfile_in(&modules)
        .with_context(|| format!("writing into {}", modules.display()))?;
    temporary.write_all(bytes).with_context(|| format!("writing into {}", modules.display()))?;
    temporary
        .persist(&path)
        .map_err(|error| anyhow!(error.error).context(format!("writing {}", path.display())))?;
    Ok(url(file))
}

/// The `url` of a module in the folder.
pub(super) fn url(file: &str) -> String {
    format!("file://{MODULES}/{file}")
}

/// Deletes the module of a `url`, if it is one that [`put`] wrote for this plug-in.
pub(super) fn remove(folder: &Path, name: &str, url: &str) -> Result<()> {
    let Some(file) = url.strip_prefix("file://").and_then(|path| path.strip_prefix(MODULES)) else {
        return Ok(());
    };
    let file = file.trim_start_matches('/');
    let own = file.strip_prefix(name).and_then(|rest| rest.strip_suffix(".wasm"));
    let is_own = own.is_some_and(|version| {
        version.is_empty()
            || version.strip_prefix('@').is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let path = folder.join(MODULES).join(file);
    if is_own && path.is_file() {
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}
