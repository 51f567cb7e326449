//! One VM: an instance of the module, and its exports as the entry points of a plug-in.
//!
//! A VM that serves requests lives on a thread of its own, so its entry points are plain functions that find it there.

use std::cell::RefCell;
use std::fmt;

use wasmi::{Linker, Module, Store, StoreLimits, StoreLimitsBuilder, TrapCode, Val};

use super::memory::Guest;
use super::{ALLOCATIONS, imports, missing, wasi};
use crate::host::{Entry, VmHost};

/// How much a VM may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Instructions, in the interpreter's units.
    pub(super) fuel: u64,
    /// Bytes of memory.
    pub(super) memory: usize,
}

impl Limits {
    /// Those of Envoy, whose VMs have at most 1 GiB, for cases. More fuel than any case needs, so that what was used can be told
    /// from what is left.
    pub(super) const OF_ENVOY: Self = Self { fuel: u64::MAX, memory: 1 << 30 };

    fn store(self) -> StoreLimits {
        StoreLimitsBuilder::new().memory_size(self.memory).build()
    }
}

/// A call of an export that did not return.
#[derive(Debug)]
pub(super) struct Trap {
    /// The export.
    pub(super) export: String,
    /// Why.
    pub(super) reason: String,
    /// Whether there were no instructions left.
    pub(super) out_of_fuel: bool,
}

impl Trap {
    fn new(export: &str, error: &wasmi::Error) -> Self {
        let out_of_fuel = error.as_trap_code() == Some(TrapCode::OutOfFuel);
        Self { export: export.into(), reason: error.to_string(), out_of_fuel }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} trapped: {}", self.export, self.reason)
    }
}

impl std::error::Error for Trap {}

/// An instance of a module.
pub(super) struct Vm {
    store: Store<Guest>,
    instance: wasmi::Instance,
    host: VmHost,
}

thread_local! {
    static VM: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

/// Instantiates the module on this thread, and initialises it as Envoy does.
pub(super) fn start(module: &Module, host: VmHost) -> Result<Entry, Trap> {
    VM.set(Some(Vm::start(module, host, Limits::OF_ENVOY)?));
    Ok(entry())
}

impl Vm {
    /// Instantiates a module, and initialises it as Envoy does. What it imports and this host does not have answers that it
    /// is not implemented.
    pub(super) fn start(module: &Module, host: VmHost, limits: Limits) -> Result<Self, Trap> {
        let failed = |error: &wasmi::Error| Trap::new("instantiation", error);
        let guest =
            Guest { host: host.clone(), memory: None, allocate: None, limits: limits.store(), random: 0 };
        let mut store = Store::new(module.engine(), guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_fuel(limits.fuel).map_err(|error| failed(&error))?;
        let mut linker = Linker::new(module.engine());
        imports::define(&mut linker).map_err(|error| failed(&error))?;
        #[cfg(feature = "redis")]
        if !host.borrow().gateway().redis.is_empty() {
            imports::redis(&mut linker).map_err(|error| failed(&error))?;
        }
        wasi::define(&mut linker, &mut store, module).map_err(|error| failed(&error))?;
        missing::define(&mut linker, &mut store, module);
        let instance = linker.instantiate_and_start(&mut store, module).map_err(|error| failed(&error))?;
        store.data_mut().memory = instance.get_memory(&store, "memory");
        let allocate = ["proxy_on_memory_allocate", "malloc"].into_iter();
        let allocate = allocate.filter_map(|name| instance.get_typed_func(&store, name).ok()).next();
        store.data_mut().allocate = allocate;
        let mut vm = Self { store, instance, host };
        // A library has the one, a program the other.
        let start = ["_initialize", "_start"].into_iter().find(|name| vm.has(name));
        if let Some(start) = start {
            vm.call(start, &[])?;
        }
        Ok(vm)
    }

    fn has(&self, name: &str) -> bool {
        self.instance.get_func(&self.store, name).is_some()
    }

    /// Calls an export, with as many arguments as it takes: older ABIs have fewer. Nothing when it is not there, or
    /// returns nothing.
    pub(super) fn call(&mut self, name: &str, arguments: &[u32]) -> Result<Option<u32>, Trap> {
        let Self { store, instance, host } = self;
        let Some(function) = instance.get_func(&*store, name) else { return Ok(None) };
        let kind = function.ty(&*store);
        let arguments: Vec<Val> = arguments
            .iter()
            .take(kind.params().len())
            .map(|argument| Val::I32(argument.cast_signed()))
            .collect();
        let mut results = vec![Val::I32(0); kind.results().len()];
        let before = store.get_fuel().unwrap_or_default();
        let called = function.call(&mut *store, &arguments, &mut results);
        let used = before - store.get_fuel().unwrap_or_default();
        let memory = store.data().memory.map_or(0, |memory| memory.size(&*store));
        let allocations =
            instance.get_global(&*store, ALLOCATIONS).and_then(|count| match count.get(&*store) {
                Val::I64(count) => Some(count.cast_unsigned()),
                _ => None,
            });
        host.borrow_mut().used(used, memory, allocations);
        called.map_err(|error| Trap::new(name, &error))?;
        Ok(match results.first() {
            Some(Val::I32(result)) => Some(result.cast_unsigned()),
            _ => None,
        })
    }
}

/// The entry points that the module exports.
fn entry() -> Entry {
    let mut entry = Entry::new(
        |context, root| nothing(call("proxy_on_context_create", &[context, root])),
        configure,
        |context| nothing(call("proxy_on_delete", &[context])),
    );
    // Each with a function of its own: a function pointer knows nothing else.
    macro_rules! export {
        ($($field:ident = |$($argument:ident),*| $name:literal => $result:expr;)*) => {$(
            if has($name) {
                entry.$field = Some(|$($argument),*| $result(call($name, &[$(number($argument)),*])));
            }
        )*};
    }
    export! {
        on_request_headers = |c, count, end| "proxy_on_request_headers" => action;
        on_request_body = |c, size, end| "proxy_on_request_body" => action;
        on_request_trailers = |c, count| "proxy_on_request_trailers" => action;
        on_response_headers = |c, count, end| "proxy_on_response_headers" => action;
        on_response_body = |c, size, end| "proxy_on_response_body" => action;
        on_response_trailers = |c, count| "proxy_on_response_trailers" => action;
        on_log = |c| "proxy_on_log" => nothing;
        on_http_call_response = |c, token, headers, size, trailers| "proxy_on_http_call_response" => nothing;
        on_grpc_receive = |c, token, size| "proxy_on_grpc_receive" => nothing;
        on_grpc_close = |c, token, status| "proxy_on_grpc_close" => nothing;
        on_redis_call_response = |root, token, status, size| "proxy_on_redis_call_response" => nothing;
        on_tick = |root| "proxy_on_tick" => nothing;
        on_queue_ready = |root, queue| "proxy_on_queue_ready" => nothing;
        on_done = |c| "proxy_on_done" => is_true;
    }
    entry
}

/// The VM's own start comes first; a module without these callbacks has nothing against it.
fn configure(root: u32, size: usize) -> bool {
    is_true(call("proxy_on_vm_start", &[root, 0]))
        && is_true(call("proxy_on_configure", &[root, number(size)]))
}

pub(super) fn is_true(result: Option<u32>) -> bool {
    result != Some(0)
}

fn nothing(_: Option<u32>) {}

/// Without a result the message goes on.
fn action(result: Option<u32>) -> u32 {
    result.unwrap_or_default()
}

/// An argument, as the ABI passes it.
fn number(argument: impl TryInto<u32>) -> u32 {
    argument.try_into().unwrap_or(u32::MAX)
}

fn has(name: &str) -> bool {
    VM.with_borrow(|vm| vm.as_ref().is_some_and(|vm| vm.has(name)))
}

/// Calls an export of the VM of this thread. A trap ends the thread, as a panic of the native engine does.
fn call(name: &str, arguments: &[u32]) -> Option<u32> {
    VM.with_borrow_mut(|vm| match vm.as_mut()?.call(name, arguments) {
        Ok(result) => result,
        Err(trap) => std::panic::resume_unwind(Box::new(trap.to_string())),
    })
}
