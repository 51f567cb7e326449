//! Rules that are compiled into the module of a plug-in, such as those of a web application firewall.

use std::path::PathBuf;

use crate::Plugin;

/// The variable with the folder of the rules, which the plug-in's `build.rs` reads.
pub const VARIABLE: &str = "CRS";

/// The file of a plug-in with rules in its module, which names the released ones.
pub const LOCK: &str = "rules.lock";

/// A set of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name, such as `OWASP CRS`.
    pub name: String,
    /// Its version, or a digest of its files.
    pub version: String,
    /// Its license, if it is known.
    pub license: Option<String>,
}

impl Rules {
    /// Returns true if the module of a plug-in contains rules.
    #[must_use]
    pub fn are_in(plugin: &Plugin) -> bool {
        plugin.folder.join(LOCK).is_file()
    }
}
