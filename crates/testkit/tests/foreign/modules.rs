//! Modules that were not built here: fourteen plug-ins of Higress, in Go, that PyPI has, fetched once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The package with the modules.
const PACKAGE: &str = "gpustack-higress-plugins==0.5.1";

/// The folder that has one for each module.
pub(crate) fn modules() -> &'static Path {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    MODULES.get_or_init(fetch)
}

fn fetch() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let modules = target.join("gpustack_higress_plugins/plugins");
    if !modules.is_dir() {
        let pip = ["-m", "pip", "install", "--quiet", "--quiet", "--no-deps", "--target"];
        let status = Command::new("python3").args(pip).arg(&target).arg(PACKAGE).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{PACKAGE} cannot be fetched: python3 with pip is needed, as with `apt-get install python3-pip`"
        );
    }
    modules
}

/// One module.
pub(crate) fn module(name: &str) -> PathBuf {
    let versions = std::fs::read_dir(modules().join(name)).unwrap();
    versions.map(|version| version.unwrap().path().join("plugin.wasm")).find(|file| file.is_file()).unwrap()
}
