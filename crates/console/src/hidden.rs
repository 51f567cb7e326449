//! The hidden folder of a gateway's folder, where the console keeps its own files. Control planes and git never see it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Its name, which `serve` uses as well.
const NAME: &str = ".portcullis";

/// Creates the hidden folder, and a folder in it.
pub(crate) fn folder(of: &Path, name: &str) -> io::Result<PathBuf> {
    let hidden = of.join(NAME);
    let folder = hidden.join(name);
    fs::create_dir_all(&folder)?;
    let ignore = hidden.join(".gitignore");
    if !ignore.exists() {
        fs::write(ignore, "*\n")?;
    }
    Ok(folder)
}

/// The path of a file in the hidden folder, which may not exist.
pub(crate) fn path(of: &Path, name: &str) -> PathBuf {
    of.join(NAME).join(name)
}

/// Removes what a console that was killed has left behind: uploads that never ended, files that were never renamed, and
/// modules that no resource names.
pub(crate) fn clean(of: &Path) {
    // Whatever cannot be removed now is removed at the next start.
    if let Ok(entries) = fs::read_dir(path(of, UPLOADS)) {
        for entry in entries.flatten() {
            let pid = entry.file_name().to_string_lossy().parse::<u32>();
            if pid.is_ok_and(|pid| pid != std::process::id() && !is_running(pid)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
    let modules = of.join(marketplace::shelf::MODULES);
    for folder in [of.to_path_buf(), modules.clone()] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_temporary = entry.file_name().to_string_lossy().starts_with(".portcullis-");
            if is_temporary && is_abandoned(&entry) && entry.path().is_file() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    // The module of a release whose resource was never written.
    for entry in fs::read_dir(&modules).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_version(&name) && is_abandoned(&entry) && !is_named(of, &name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file has not been written for a while.
fn is_abandoned(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age.as_secs() > ABANDONED))
}

/// `name@0123456789ab.wasm`, as releases name modules.
fn is_version(name: &str) -> bool {
    let digest = name.strip_suffix(".wasm").and_then(|name| name.split_once('@')).map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() == 12 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a file of the folder names a module; also if that cannot be known.
fn is_named(folder: &Path, module: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).any(|path| {
        let is_text =
            ["yaml", "yml", "json"].iter().any(|kind| path.extension().is_some_and(|own| own == *kind));
        is_text && fs::read_to_string(&path).map_or(true, |text| text.contains(module))
    })
}

/// The folder for uploads, with a folder for each process.
pub(crate) const UPLOADS: &str = "uploads";

/// The age in seconds after which a temporary file is no longer being written.
const ABANDONED: u64 = 30;

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
