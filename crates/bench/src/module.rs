//! Modules: the hand-written empty one that is the floor, and foreign ones, made loadable.

use std::fs;
use std::path::Path;

use abi::{Abi, exports};
use anyhow::{Context, Result};

/// The floor's source.
const EMPTY: &str = include_str!("empty.wat");

/// A module that is entered for the same callbacks as `module`, and does nothing.
pub(crate) fn empty_like(module: &[u8]) -> Result<Vec<u8>> {
    let exports = exports(module)?;
    let keeps = |line: &&str| match callback(line) {
        Some(name) => exports.contains(name),
        None => true,
    };
    let source: Vec<&str> = EMPTY.lines().filter(keeps).collect();
    wat::parse_str(source.join("\n")).context("the empty module")
}

/// The callback that a line of the floor's source exports.
fn callback(line: &str) -> Option<&str> {
    let (_, name) = line.split_once("(export \"")?;
    let (name, _) = name.split_once('"')?;
    (name.starts_with("proxy_on_") && name != "proxy_on_memory_allocate").then_some(name)
}

/// A module as stock Envoy loads it.
pub(crate) struct Loadable {
    pub(crate) bytes: Vec<u8>,
    /// It was written for Higress's ABI, in which headers can be held while the body comes.
    pub(crate) holds_headers: bool,
}

/// Reads a module, in binary or as text. One for Higress's ABI exports the standard version instead, and nothing else is changed.
pub(crate) fn read(file: &Path) -> Result<Loadable> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let bytes = wat::parse_bytes(&bytes).with_context(|| format!("reading {}", file.display()))?.into_owned();
    let standard = abi::declare(&bytes, Abi::Standard);
    Ok(match standard.with_context(|| format!("{} is not a module", file.display()))? {
        None => Loadable { bytes, holds_headers: false },
        Some(bytes) => Loadable { bytes, holds_headers: true },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_has_the_callbacks_of_its_model_and_no_others() {
        let model = wat::parse_str(
            r#"(module (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
                       (func (export "proxy_on_delete") (param i32)))"#,
        )
        .unwrap();
        let floor = exports(&empty_like(&model).unwrap()).unwrap();
        let expected = [
            "memory",
            "proxy_abi_version_0_2_1",
            "proxy_on_delete",
            "proxy_on_memory_allocate",
            "proxy_on_request_headers",
        ];
        assert_eq!(floor.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_abi_version_of_higress_is_renamed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.wasm");
        let source = r#"(module (func (export "proxy_abi_version_0_2_100")) (func (export "other")))"#;
        fs::write(&file, wat::parse_str(source).unwrap()).unwrap();
        let loadable = read(&file).unwrap();
        assert!(loadable.holds_headers);
        let names = exports(&loadable.bytes).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["other", "proxy_abi_version_0_2_1"]);
    }
}
