//! A module's memory, as host calls read and write it.

use wasmi::{Caller, Memory, StoreLimits, TypedFunc};

use crate::host::{Answer, Status, VmHost};

/// What a module's host calls work with.
pub(super) struct Guest {
    pub(super) host: VmHost,
    pub(super) memory: Option<Memory>,
    /// `proxy_on_memory_allocate`, or `malloc` in older modules.
    pub(super) allocate: Option<TypedFunc<i32, i32>>,
    /// How much memory it may have.
    pub(super) limits: StoreLimits,
    /// How many random bytes it has received.
    pub(super) random: u32,
}

/// A host call with the module that makes it.
pub(super) type Call<'a> = Caller<'a, Guest>;

/// The bytes that a module passes.
pub(super) fn passed(call: &Call<'_>, data: i32, size: i32) -> Answer<Vec<u8>> {
    let memory = call.data().memory.ok_or(Status::INVALID_MEMORY_ACCESS)?;
    let (start, size) = (address(data), address(size));
    let bytes = memory.data(call).get(start..).and_then(|rest| rest.get(..size));
    bytes.map(<[u8]>::to_vec).ok_or(Status::INVALID_MEMORY_ACCESS)
}

/// Writes into the module's memory.
pub(super) fn store(call: &mut Call<'_>, at: i32, bytes: &[u8]) -> Answer<()> {
    let memory = call.data().memory.ok_or(Status::INVALID_MEMORY_ACCESS)?;
    memory.write(call, address(at), bytes).map_err(|_| Status::INVALID_MEMORY_ACCESS)
}

/// Hands bytes over in memory that the module has allocated for them and frees. Envoy allocates nothing for no bytes.
pub(super) fn hand_over(call: &mut Call<'_>, bytes: &[u8], data: i32, size: i32) -> Answer<()> {
    let length = i32::try_from(bytes.len()).map_err(|_| Status::INTERNAL_FAILURE)?;
    let mut place = 0;
    if length > 0 {
        let allocate = call.data().allocate.ok_or(Status::INTERNAL_FAILURE)?;
        place = allocate.call(&mut *call, length).map_err(|_| Status::INTERNAL_FAILURE)?;
        store(call, place, bytes)?;
    }
    store(call, data, &place.to_le_bytes())?;
    store(call, size, &length.to_le_bytes())
}

/// Addresses and sizes are unsigned; the interpreter's are not.
fn address(number: i32) -> usize {
    usize::try_from(number.cast_unsigned()).unwrap_or(usize::MAX)
}
