//! Functions that a module imports and this host does not have, such as Higress's calls to Redis.
//!
//! A module that imports one loads anyway, and receives "not implemented" when it calls it: most of its
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
    Ok(define(&mut linker, store, module))
}

/// Defines them, and returns their names.
pub(super) fn define(linker: &mut Linker<Guest>, store: &mut Store<Guest>, module: &Module) -> Vec<Import> {
    let mut missing = Vec::new();
    // A duplicate definition fails: the function is not missing.
    linker.allow_shadowing(false);
    for import in module.imports() {
        let ExternType::Func(kind) = import.ty() else { continue };
        let name = import.name().to_owned();
        let unknown = Func::new(&mut *store, kind.clone(), move |call: Caller<'_, Guest>, _, results| {
            call.data().host.borrow_mut().missing(&name);
            let status = Val::I32(Status::UNIMPLEMENTED.0.cast_signed());
            let numbers = results.iter_mut().filter(|result| matches!(result, Val::I32(_)));
            numbers.for_each(|result| *result = status.clone());
            Ok(())
        });
        if linker.define(import.module(), import.name(), unknown).is_ok() {
            missing.push(Import { module: import.module().into(), name: import.name().into() });
        }
    }
    missing.sort();
    missing
}
