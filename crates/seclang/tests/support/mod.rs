//! The Core Rule Set for tests: the folder in `CRS`, or else Debian's package, fetched once into the target folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

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
        format!("{error:#}\nor set CRS to the folder of a release of the OWASP Core Rule Set")
    })
}

/// Debian's `modsecurity-crs`, laid out like a release.
fn debian() -> anyhow::Result<PathBuf> {
    static COPYING: Mutex<()> = Mutex::new(());
    let root = testkit::debian::package("modsecurity-crs")?;
    let folder = root.join("usr/share/modsecurity-crs");
    let setup = folder.join("crs-setup.conf");
    // Tests of this program wait for each other; others have a copy of their own.
    let _waiting = COPYING.lock();
    if !setup.is_file() {
        let copy = folder.join(format!("crs-setup.conf.{}", std::process::id()));
        fs::copy(root.join("etc/modsecurity/crs/crs-setup.conf"), &copy)?;
        fs::rename(copy, setup)?;
    }
    Ok(folder)
}
