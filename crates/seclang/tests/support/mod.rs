//! The Core Rule Set for tests: the folder in `CRS`, or else Debian's package, fetched once into the target folder.

use std::path::PathBuf;

/// A folder with `rules`, and with `tests` if it is a release.
pub fn folder() -> Result<PathBuf, String> {
    if let Some(folder) = testkit::crs::folder()? {
        return Ok(folder);
    }
    testkit::debian::core_rule_set().map_err(|error| {
        format!("{error:#}\nor set CRS to the folder of a release of the OWASP Core Rule Set")
    })
}
