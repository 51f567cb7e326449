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

/// Removes what a console that was killed has left behind: uploads that never ended, and files that were never renamed.
pub(crate) fn clean(of: &Path) {
    // Whatever cannot be removed now is removed at the next start.
    if let Ok(entries) = fs::read_dir(path(of, UPLOADS)) {
        for entry in entries.flatten() {
            let pid = entry.file_name().to_string_lossy().parse::<u32>();
            if pid.is_ok_and(|pid| pid == std::process::id() || !is_running(pid)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
    for folder in [of.to_path_buf(), of.join("modules")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_temporary = entry.file_name().to_string_lossy().starts_with(".portcullis-");
            let is_old = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age.as_secs() > ABANDONED));
            if is_temporary && is_old && entry.path().is_file() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The folder for uploads, with a folder for each process.
pub(crate) const UPLOADS: &str = "uploads";

/// The age in seconds after which nobody writes a temporary file any more.
const ABANDONED: u64 = 60;

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
