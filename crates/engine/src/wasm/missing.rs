//! Functions that a module imports and this host does not have, such as Higress's calls to Redis.
//!
//! A module that imports one loads all the same, and is told that it is not implemented when it calls it: most of its
//! configurations need none of it.

use wasmi::{Caller, ExternType, Func, Linker, Module, Store, Val};

use super::memory::Guest;
use super::{imports, wasi};
use crate::host::Status;

/// A function that a module imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The module of the import, such as `env`.
    pub module: String,
    /// The name, such as `proxy_redis_call`.
    pub name: String,
}

impl std::fmt::Display for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// The functions of a module that this host does not have.
pub(super) fn of(module: &Module, store: &mut Store<Guest>) -> Result<Vec<Import>, wasmi::Error> {
    let mut linker = Linker::new(module.engine());
    imports::define(&mut linker)?;
    wasi::define(&mut linker, store, module)?;
    let imports = module.imports().filter(|import| matches!(import.ty(), ExternType::Func(_)));
    let missing = imports.filter(|import| linker.get(&*store, import.module(), import.name()).is_none());
    let mut missing: Vec<Import> =
        missing.map(|import| Import { module: import.module().into(), name: import.name().into() }).collect();
    missing.sort();
    missing.dedup();
    Ok(missing)
}

/// Defines them.
pub(super) fn define(
    linker: &mut Linker<Guest>,
    store: &mut Store<Guest>,
    module: &Module,
) -> Result<(), wasmi::Error> {
    for import in module.imports() {
        let ExternType::Func(kind) = import.ty() else { continue };
        if linker.get(&*store, import.module(), import.name()).is_some() {
            continue;
        }
        let name = import.name().to_owned();
        let unknown = Func::new(&mut *store, kind.clone(), move |call: Caller<'_, Guest>, _, results| {
            call.data().host.borrow_mut().missing(&name);
            let status = Status::UNIMPLEMENTED.0.cast_signed();
            results
                .iter_mut()
                .filter(|result| matches!(result, Val::I32(_)))
                .for_each(|result| *result = Val::I32(status));
            Ok(())
        });
        linker.define(import.module(), import.name(), unknown)?;
    }
    Ok(())
}
