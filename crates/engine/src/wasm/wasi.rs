//! WASI's functions (preview 1), as far as Envoy has them: a clock, randomness, what is printed, and nothing of files.

use wasmi::{Caller, ExternType, Func, Linker, Module, Store, Val};

use super::memory::{Call, Guest, passed, store};

const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// WASI's numbers of errors.
const SUCCESS: i32 = 0;
const BAD_FILE: i32 = 8;
const FAULT: i32 = 21;
const NOT_SUPPORTED: i32 = 58;

/// Log levels by the ABI's numbers, for what a module prints.
const INFO: u32 = 2;
const ERROR: u32 = 4;

/// Defines what works, and what a module imports besides as not supported, as Envoy does.
pub(super) fn define(
    linker: &mut Linker<Guest>,
    context: &mut Store<Guest>,
    module: &Module,
) -> Result<(), wasmi::Error> {
    // What works takes the place of what does not, and some modules import a function twice.
    linker.allow_shadowing(true);
    for import in module.imports().filter(|import| MODULES.contains(&import.module())) {
        let ExternType::Func(kind) = import.ty() else { continue };
        let unsupported = Func::new(&mut *context, kind.clone(), |_: Caller<'_, Guest>, _, results| {
            results.iter_mut().for_each(|result| *result = Val::I32(NOT_SUPPORTED));
            Ok(())
        });
        linker.define(import.module(), import.name(), unsupported)?;
    }
    for name in MODULES {
        linker.func_wrap(name, "fd_write", fd_write)?;
        linker.func_wrap(name, "clock_time_get", clock_time_get)?;
        linker.func_wrap(name, "random_get", random_get)?;
        // No arguments and no variables.
        linker.func_wrap(name, "args_sizes_get", nothing_there)?;
        linker.func_wrap(name, "environ_sizes_get", nothing_there)?;
        linker.func_wrap(name, "args_get", |_: i32, _: i32| SUCCESS)?;
        linker.func_wrap(name, "environ_get", |_: i32, _: i32| SUCCESS)?;
        linker.func_wrap(name, "sched_yield", || SUCCESS)?;
        linker.func_wrap(name, "fd_prestat_get", |_: i32, _: i32| BAD_FILE)?;
        linker.func_wrap(name, "fd_fdstat_get", fd_fdstat_get)?;
        linker.func_wrap(name, "proc_exit", |code: i32| -> Result<(), wasmi::Error> {
            Err(wasmi::Error::new(format!("the module has ended itself with {code}")))
        })?;
    }
    Ok(())
}

fn errno(answer: crate::host::Answer<()>) -> i32 {
    if answer.is_ok() { SUCCESS } else { FAULT }
}

/// What is printed goes into the log; there are no other files.
fn fd_write(mut call: Call<'_>, file: i32, pieces: i32, count: i32, written: i32) -> i32 {
    let level = match file {
        1 => INFO,
        2 => ERROR,
        _ => return BAD_FILE,
    };
    let mut text = Vec::new();
    for piece in 0..count {
        let number = |at: i32| {
            let bytes = passed(&call, pieces.wrapping_add(at), 4).ok()?;
            bytes.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes))
        };
        let at = piece.wrapping_mul(8);
        let (Some(data), Some(size)) = (number(at), number(at.wrapping_add(4))) else { return FAULT };
        let Ok(bytes) = passed(&call, data, size) else { return FAULT };
        text.extend(bytes);
    }
    let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    if !line.is_empty() {
        // A host that takes no line would have told the module itself.
        let _ = call.data().host.borrow_mut().log(level, line);
    }
    errno(store(&mut call, written, &size.to_le_bytes()))
}

fn clock_time_get(mut call: Call<'_>, _: i32, _: i64, at: i32) -> i32 {
    let time = call.data().host.borrow_mut().time().unwrap_or_default();
    errno(store(&mut call, at, &time.to_le_bytes()))
}

/// The same bytes in every run: a case must not depend on chance.
fn random_get(mut call: Call<'_>, at: i32, size: i32) -> i32 {
    let before = call.data().random;
    let numbers = (1..=size.cast_unsigned()).map(|number| before.wrapping_add(number));
    let bytes: Vec<u8> = numbers.map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    call.data_mut().random = before.wrapping_add(size.cast_unsigned());
    errno(store(&mut call, at, &bytes))
}

fn nothing_there(mut call: Call<'_>, count: i32, size: i32) -> i32 {
    errno(store(&mut call, count, &[0; 4]).and_then(|()| store(&mut call, size, &[0; 4])))
}

/// Standard input, output and error are there, as terminals without rights.
fn fd_fdstat_get(mut call: Call<'_>, file: i32, at: i32) -> i32 {
    const CHARACTER_DEVICE: u8 = 2;
    if !(0..=2).contains(&file) {
        return BAD_FILE;
    }
    let mut stat = [0; 24];
    stat[0] = CHARACTER_DEVICE;
    errno(store(&mut call, at, &stat))
}
