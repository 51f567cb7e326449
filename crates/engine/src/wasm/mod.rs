//! The embedded engine: the built `.wasm` in an interpreter in this process, against the same host as the native
//! engine.
//!
//! It takes milliseconds like the native engine, and runs the very bytes that a gateway loads. It counts
//! instructions (wasmi's fuel, which is the same in every run) and host calls.

mod imports;
mod memory;
mod vm;
mod wasi;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use wasmi::{CompilationMode, Config, Engine as Interpreter, ExternType};

use crate::exchange::{PropertyNames, Setup};
use crate::{Engine, EngineName, Load, host};

/// The name of a global, a 64-bit integer, in which a module may count its allocations: what `cargo xtask bench` adds
/// to a copy of a module.
pub const ALLOCATIONS: &str = "testkit_allocations";

/// Runs one module.
pub struct WasmEngine {
    /// Says where the module is.
    find: Box<dyn Fn() -> anyhow::Result<PathBuf> + Send + Sync>,
    /// Found, read and compiled at the first case.
    module: OnceLock<Result<wasmi::Module, String>>,
    /// The module as `cargo xtask build --gateway higress` makes it.
    for_higress: OnceLock<Result<wasmi::Module, String>>,
}

impl WasmEngine {
    /// An engine for the plug-in in the file that `find` names, when the first case asks for it.
    #[must_use]
    pub fn new(find: impl Fn() -> anyhow::Result<PathBuf> + Send + Sync + 'static) -> Self {
        Self { find: Box::new(find), module: OnceLock::new(), for_higress: OnceLock::new() }
    }

    fn module(&self, for_higress: bool) -> anyhow::Result<wasmi::Module> {
        let module = if for_higress { &self.for_higress } else { &self.module };
        let module = module.get_or_init(|| {
            let module = (self.find)().and_then(|file| compile(&file, for_higress));
            module.map_err(|error| format!("{error:#}"))
        });
        module.clone().map_err(|error| anyhow!(error))
    }
}

impl Engine for WasmEngine {
    fn name(&self) -> EngineName {
        EngineName::Wasm
    }

    fn load(&self, setup: &Setup) -> anyhow::Result<Load> {
        let for_higress = setup.gateway.hold_headers && setup.gateway.names == PropertyNames::Higress;
        let module = self.module(for_higress)?;
        let mut setup = setup.clone();
        if version(&module).is_some_and(|version| version == HIGRESS) {
            if setup.gateway.names != PropertyNames::Higress {
                bail!(
                    "the module exports {HIGRESS}, which Higress takes and Envoy does not: `names: higress`"
                );
            }
            // Such modules can hold headers, wherever they are loaded.
            setup.gateway.hold_headers = true;
        }
        host::load(&setup, move |host| vm::start(&module, host))
    }
}

/// The ABI versions that Envoy 1.40 takes, and Higress's own.
const VERSIONS: [&str; 4] =
    ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0", "proxy_abi_version_0_1_0", HIGRESS];
const HIGRESS: &str = "proxy_abi_version_0_2_100";

/// The version that a module exports.
fn version(module: &wasmi::Module) -> Option<&'static str> {
    let exported = |version: &&&str| {
        let kind = module.get_export(version);
        matches!(kind, Some(ExternType::Func(_)))
    };
    VERSIONS.iter().find(exported).copied()
}

fn compile(file: &Path, for_higress: bool) -> anyhow::Result<wasmi::Module> {
    let shown = file.display();
    let mut bytes = std::fs::read(file).with_context(|| format!("{shown} cannot be read"))?;
    if for_higress {
        let declared = abi::declare(&bytes, abi::Abi::Higress);
        if let Some(other) = declared.map_err(|error| anyhow!("{shown} is no module: {error}"))? {
            bytes = other;
        }
    }
    let mut config = Config::default();
    // Translated at first use, a function would cost its first caller more.
    config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
    let module = wasmi::Module::new(&Interpreter::new(&config), &bytes)
        .with_context(|| format!("{shown} is no module"))?;
    if version(&module).is_none() {
        bail!("{shown} exports none of {}: no gateway loads it", VERSIONS.join(", "));
    }
    Ok(module)
}
