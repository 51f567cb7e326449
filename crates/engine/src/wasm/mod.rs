//! The embedded engine: the built `.wasm` in an interpreter in this process, against the same host as the native
//! engine.
//!
//! It takes milliseconds like the native engine, and runs the very bytes that a gateway loads. It counts
//! instructions (wasmi's fuel, which is the same in every run) and host calls.

mod imports;
mod memory;
mod missing;
mod validate;
mod vm;
mod wasi;

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use wasmi::{CompilationMode, Config, Engine as Interpreter, ExternType, Store, StoreLimits};

use self::memory::Guest;
pub use self::missing::Import;
pub use self::validate::{Rejected, every_error, validate};
use crate::exchange::{Gateway, PropertyNames, Setup};
use crate::host::{MockHost, Shared};
use crate::{Engine, EngineName, Load, host};

/// The name of a global, a 64-bit integer, in which a module may count its allocations: what `cargo xtask bench` adds
/// to a copy of a module.
pub const ALLOCATIONS: &str = "testkit_allocations";

/// A compiled module.
#[derive(Clone)]
pub struct Module(wasmi::Module);

/// Why bytes are not a plug-in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModuleError {
    /// They are not a valid module.
    Invalid(String),
    /// The module exports no ABI version that a gateway supports.
    NoAbi,
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "not a WebAssembly module: {reason}"),
            Self::NoAbi => write!(f, "exports none of {}: no gateway loads it", VERSIONS.join(", ")),
        }
    }
}

impl std::error::Error for ModuleError {}

impl Module {
    /// Compiles a module.
    ///
    /// # Errors
    ///
    /// The bytes are not a plug-in.
    pub fn new(bytes: &[u8]) -> Result<Self, ModuleError> {
        let mut config = Config::default();
        // Translated at first use, a function would cost its first caller more.
        config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
        let module = wasmi::Module::new(&Interpreter::new(&config), bytes);
        let module = Self(module.map_err(|error| ModuleError::Invalid(error.to_string()))?);
        if module.version().is_none() {
            return Err(ModuleError::NoAbi);
        }
        Ok(module)
    }

    /// The imported functions that this host does not implement: those of one gateway only, such as Higress's calls to
    /// Redis. They answer that they are not implemented.
    #[must_use]
    pub fn missing_imports(&self) -> Vec<Import> {
        let host = MockHost::new(Gateway::default(), Vec::new(), Shared::default());
        let host = Rc::new(RefCell::new(host));
        let guest = Guest { host, memory: None, allocate: None, limits: StoreLimits::default(), random: 0 };
        // Defining functions fails only where one is defined twice.
        missing::of(&self.0, &mut Store::new(self.0.engine(), guest)).unwrap_or_default()
    }

    /// Whether it declares only Higress's ABI, which Envoy does not load.
    #[must_use]
    pub fn is_for_higress(&self) -> bool {
        self.version() == Some(HIGRESS)
    }

    /// The ABI version that it exports.
    fn version(&self) -> Option<&'static str> {
        let exported = |version: &&&str| matches!(self.0.get_export(version), Some(ExternType::Func(_)));
        VERSIONS.iter().find(exported).copied()
    }
}

/// The ABI versions that Envoy 1.40 takes, and Higress's own.
const VERSIONS: [&str; 4] =
    ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0", "proxy_abi_version_0_1_0", HIGRESS];
const HIGRESS: &str = "proxy_abi_version_0_2_100";

/// Runs one module.
pub struct WasmEngine {
    /// Sets the source of the module.
    find: Box<dyn Fn() -> anyhow::Result<PathBuf> + Send + Sync>,
    /// Found, read and compiled at the first case.
    module: OnceLock<Result<Module, String>>,
    /// The module as `cargo xtask build --gateway higress` makes it.
    for_higress: OnceLock<Result<Module, String>>,
}

impl WasmEngine {
    /// An engine for the plug-in in the file that `find` names, when the first case asks for it.
    #[must_use]
    pub fn new(find: impl Fn() -> anyhow::Result<PathBuf> + Send + Sync + 'static) -> Self {
        Self { find: Box::new(find), module: OnceLock::new(), for_higress: OnceLock::new() }
    }

    /// The module.
    ///
    /// # Errors
    ///
    /// It is not found, or is not a plug-in.
    pub fn compiled(&self) -> anyhow::Result<Module> {
        self.module(false)
    }

    fn module(&self, for_higress: bool) -> anyhow::Result<Module> {
        let module = if for_higress { &self.for_higress } else { &self.module };
        let module = module.get_or_init(|| {
            let module = (self.find)().and_then(|file| {
                let shown = file.display();
                let mut bytes = std::fs::read(&file).with_context(|| format!("{shown} cannot be read"))?;
                if for_higress {
                    let declared = abi::declare(&bytes, abi::Abi::Higress);
                    if let Some(other) = declared.map_err(|error| anyhow!("{shown}: {error}"))? {
                        bytes = other;
                    }
                }
                Module::new(&bytes).with_context(|| shown.to_string())
            });
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
        let higress = setup.gateway.names == PropertyNames::Higress;
        let module = self.module(setup.gateway.hold_headers && higress)?;
        let mut setup = setup.clone();
        if !higress {
            if module.is_for_higress() {
                bail!(
                    "the module exports {HIGRESS}, which Higress takes and Envoy does not: `names: higress`"
                );
            }
            let missing: Vec<_> = module.missing_imports().iter().map(ToString::to_string).collect();
            if !missing.is_empty() {
                bail!("the module imports {}, which Envoy does not have", missing.join(", "));
            }
        }
        // Such modules can hold headers, wherever they are loaded.
        setup.gateway.hold_headers |= module.is_for_higress();
        host::load(&setup, move |host| Ok(vm::start(&module.0, host)?))
    }
}
