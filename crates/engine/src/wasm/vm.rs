//! One VM: an instance of the module, and its exports as the entry points of a plug-in.
//!
//! A VM lives on a thread of its own, so its entry points are plain functions that find it there.

use std::cell::RefCell;

use anyhow::{Context, anyhow};
use wasmi::{Instance, Linker, Module, Store, Val};

use super::ALLOCATIONS;
use super::memory::Guest;
use super::{imports, wasi};
use crate::host::{Entry, VmHost};

/// More than any case needs, so that what was used can be told from what is left.
const FUEL: u64 = u64::MAX;

struct Vm {
    store: Store<Guest>,
    instance: Instance,
    host: VmHost,
}

thread_local! {
    static VM: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

/// Instantiates the module on this thread, and initialises it as Envoy does.
pub(super) fn start(module: &Module, host: VmHost) -> anyhow::Result<Entry> {
    let guest = Guest { host: host.clone(), memory: None, allocate: None };
    let mut store = Store::new(module.engine(), guest);
    store.set_fuel(FUEL).map_err(|error| anyhow!("{error}"))?;
    let mut linker = Linker::new(module.engine());
    imports::define(&mut linker)?;
    wasi::define(&mut linker, &mut store, module)?;
    let instance = linker.instantiate_and_start(&mut store, module).context("the module cannot be loaded")?;
    store.data_mut().memory = instance.get_memory(&store, "memory");
    let allocate = ["proxy_on_memory_allocate", "malloc"].into_iter();
    let allocate = allocate.filter_map(|name| instance.get_typed_func(&store, name).ok()).next();
    store.data_mut().allocate = allocate;
    VM.set(Some(Vm { store, instance, host }));
    // A library has the one, a program the other.
    for name in ["_initialize", "_start"] {
        if has(name) {
            call(name, &[]);
            break;
        }
    }
    Ok(entry())
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
        on_http_call_response = |c, token, headers, size, trailers| "proxy_on_http_call_response" => nothing;
        on_grpc_receive = |c, token, size| "proxy_on_grpc_receive" => nothing;
        on_grpc_close = |c, token, status| "proxy_on_grpc_close" => nothing;
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

fn is_true(result: Option<u32>) -> bool {
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
    VM.with_borrow(|vm| vm.as_ref().is_some_and(|vm| vm.instance.get_func(&vm.store, name).is_some()))
}

/// Calls an export, with as many arguments as it takes: older ABIs have fewer. Nothing when it is not there, or
/// returns nothing. A trap ends the thread, as a panic of the native engine does.
fn call(name: &str, arguments: &[u32]) -> Option<u32> {
    VM.with_borrow_mut(|vm| {
        let Vm { store, instance, host } = vm.as_mut()?;
        let function = instance.get_func(&*store, name)?;
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
        if let Err(error) = called {
            std::panic::resume_unwind(Box::new(format!("{name} trapped: {error}")));
        }
        match results.first() {
            Some(Val::I32(result)) => Some(result.cast_unsigned()),
            _ => None,
        }
    })
}
