//! The Core Rule Set for tests: the folder in `CRS`, or else Debian's package, fetched once into the target folder.

use std::env;
use std::path::{Path, PathBuf};

/// A folder with `rules`, and with `tests` if it is a release.
pub fn folder() -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os("CRS").filter(|folder| !folder.is_empty()) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        return match folder.join("rules").is_dir() {
            true => Ok(folder),
            false => Err(format!("CRS={}: there is no folder `rules`", folder.display())),
        };
    }
    testkit::debian::core_rule_set().map_err(|error| {
        format!("{error:#}\nor set CRS to the folder of a release of the OWASP Core Rule Set")
    })
}
