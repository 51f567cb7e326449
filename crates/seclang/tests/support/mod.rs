//! The Core Rule Set for tests: the folder in `CRS`, or else Debian's package, fetched once into the target folder.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with `rules`, and with `tests` if it is a release.
pub fn folder() -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os("CRS").filter(|folder| !folder.is_empty()) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        return match folder.join("rules").is_dir() {
            true => Ok(folder),
            false => Err(format!("CRS={}: there is no folder `rules`", folder.display())),
        };
    }
    debian().map_err(|error| {
        format!("{error}\nset CRS to the folder of a release of the OWASP Core Rule Set, or install apt-get and dpkg")
    })
}

/// Debian's `modsecurity-crs`, laid out like a release.
fn debian() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(target.join("modsecurity-crs.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let root = target.join("modsecurity-crs");
    if !root.is_dir() {
        let work = tempfile::tempdir_in(target).map_err(|error| error.to_string())?;
        let lists = work.path().join("lists");
        fs::create_dir_all(lists.join("partial")).map_err(|error| error.to_string())?;
        let apt = |arguments: &[&str]| {
            let lists = format!("Dir::State::Lists={}", lists.display());
            let mut command = Command::new("apt-get");
            command.current_dir(work.path()).args(["-qq", "-o", "Debug::NoLocking=true", "-o", &lists]);
            run(command.args(arguments))
        };
        apt(&["update"])?;
        apt(&["download", "modsecurity-crs"])?;
        let unpacked = work.path().join("root");
        for entry in fs::read_dir(work.path()).map_err(|error| error.to_string())?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg").arg("-x").arg(entry.path()).arg(&unpacked))?;
            }
        }
        let setup = unpacked.join("usr/share/modsecurity-crs/crs-setup.conf");
        fs::copy(unpacked.join("etc/modsecurity/crs/crs-setup.conf"), setup)
            .map_err(|error| error.to_string())?;
        fs::rename(&unpacked, &root).map_err(|error| error.to_string())?;
    }
    Ok(root.join("usr/share/modsecurity-crs"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
