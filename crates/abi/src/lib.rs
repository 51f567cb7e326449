//! What modules and gateways agree on: levels of logs, and the ABI version that a module declares by an export's name, 0.2.1 or
//! Higress's own 0.2.100.
//!
//! The two have the same host calls and callbacks. What differs is what a gateway makes of a callback that holds headers:
//! under 0.2.100, Higress calls the body's callbacks all the same, under 0.2.1 it waits for ever. Stock Envoy refuses
//! 0.2.100, and has a setting for what it does (`allow_on_headers_stop_iteration`).

mod level;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;

use wasm_encoder::reencode::{Reencode, utils};
use wasmparser::{Export, Parser, Payload};

pub use level::LogLevel;

/// An ABI version that exists in two forms of the same module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    /// 0.2.1, which every gateway loads.
    Standard,
    /// 0.2.100, which Higress and MSE load.
    Higress,
}

impl Abi {
    /// The export that declares it.
    #[must_use]
    pub fn export(self) -> &'static str {
        match self {
            Self::Standard => "proxy_abi_version_0_2_1",
            Self::Higress => "proxy_abi_version_0_2_100",
        }
    }
}

/// Why a module could not be read or copied.
#[derive(Debug)]
pub struct AbiError(String);

impl fmt::Display for AbiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AbiError {}

impl From<wasmparser::BinaryReaderError> for AbiError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self(error.to_string())
    }
}

/// The names of everything that a module exports.
///
/// # Errors
///
/// The bytes are no module.
pub fn exports(module: &[u8]) -> Result<BTreeSet<String>, AbiError> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                names.insert(export?.name.to_owned());
            }
        }
    }
    Ok(names)
}

/// The module, declaring the version `to`; nothing else is changed but that linkers pad numbers, and the copy does not. `None` when it declares neither, or `to` already.
///
/// # Errors
///
/// The bytes are no module.
pub fn declare(module: &[u8], to: Abi) -> Result<Option<Vec<u8>>, AbiError> {
    let from = match to {
        Abi::Standard => Abi::Higress,
        Abi::Higress => Abi::Standard,
    };
    let exports = exports(module)?;
    if exports.contains(to.export()) || !exports.contains(from.export()) {
        return Ok(None);
    }
    let mut copy = wasm_encoder::Module::new();
    Rename { from: from.export(), to: to.export() }
        .parse_core_module(&mut copy, Parser::new(0), module)
        .map_err(|error| AbiError(error.to_string()))?;
    Ok(Some(copy.finish()))
}

/// Copies a module and renames one export.
struct Rename {
    from: &'static str,
    to: &'static str,
}

impl Reencode for Rename {
    type Error = Infallible;

    fn parse_export(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        export: Export<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Infallible>> {
        let name = if export.name == self.from { self.to } else { export.name };
        utils::parse_export(self, exports, Export { name, ..export })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"(module (func (export "proxy_abi_version_0_2_1")) (func (export "other")))"#;

    #[test]
    fn the_version_is_renamed_and_nothing_else() {
        let standard = wat::parse_str(MODULE).unwrap();
        let higress = declare(&standard, Abi::Higress).unwrap().unwrap();
        assert_eq!(
            exports(&higress).unwrap().iter().collect::<Vec<_>>(),
            ["other", "proxy_abi_version_0_2_100"]
        );
        assert_eq!(declare(&higress, Abi::Standard).unwrap().unwrap(), standard);
    }

    #[test]
    fn what_declares_the_version_or_none_is_left_alone() {
        assert_eq!(declare(&wat::parse_str(MODULE).unwrap(), Abi::Standard).unwrap(), None);
        assert_eq!(declare(&wat::parse_str("(module)").unwrap(), Abi::Higress).unwrap(), None);
        assert!(declare(b"no module", Abi::Higress).is_err());
    }
}
