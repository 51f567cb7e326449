//! Host calls as safe functions: bytes in, bytes out, and a [`Status`] where a host says no.
#![allow(unsafe_code, reason = "passes pointers to live slices and takes over what `abi::allocate` gave")]

use std::ptr::null_mut;

use crate::abi::{self, BufferType, MapType, Status, take};

/// Turns a returned number into a result.
fn done(status: u32) -> Result<(), Status> {
    match Status(status) {
        Status::OK => Ok(()),
        status => Err(status),
    }
}

/// Makes a call that returns bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (null_mut(), 0);
    done(call(&mut data, &mut size))?;
    // SAFETY: a host that says OK has either written nothing or memory that it got from `abi::allocate`.
    Ok(unsafe { take(data, size) })
}

/// `NotFound` is an answer, not a failure.
fn optional(result: Result<Vec<u8>, Status>) -> Result<Option<Vec<u8>>, Status> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Status::NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

pub(crate) fn log(level: u32, message: &str) {
    // SAFETY: pointer and length of a live slice.
    // The host refuses only an unknown level, and there is nowhere left to say so.
    let _ = unsafe { abi::proxy_log(level, message.as_ptr(), message.len()) };
}

pub(crate) fn log_level() -> Result<u32, Status> {
    let mut level = 0;
    // SAFETY: a pointer to a live integer.
    done(unsafe { abi::proxy_get_log_level(&mut level) })?;
    Ok(level)
}

pub(crate) fn buffer(buffer: BufferType, start: usize, size: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: the pointers are those of live variables of `bytes`.
    bytes(|data, length| unsafe { abi::proxy_get_buffer_bytes(buffer as u32, start, size, data, length) })
}

/// The plug-in's configuration, whose size the host has announced.
pub(crate) fn configuration(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let text = buffer(BufferType::PluginConfiguration, 0, size)?;
    // Part of a configuration may read as a whole one that allows more.
    if text.len() == size { Ok(text) } else { Err(Status::INTERNAL_FAILURE) }
}

pub(crate) fn header_pairs(map: MapType) -> Result<Vec<u8>, Status> {
    // SAFETY: the pointers are those of live variables of `bytes`.
    bytes(|data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) })
}

pub(crate) fn header(map: MapType, name: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: pointers and lengths of live slices and variables.
    optional(bytes(|data, size| unsafe {
        abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    }))
}

pub(crate) fn add_header(map: MapType, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointers and lengths of live slices.
    done(unsafe {
        abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

pub(crate) fn replace_header(map: MapType, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointers and lengths of live slices.
    done(unsafe {
        abi::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

pub(crate) fn remove_header(map: MapType, name: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length of a live slice.
    done(unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// `path` is the property's segments, joined by NUL.
pub(crate) fn property(path: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: pointers and lengths of live slices and variables.
    optional(bytes(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) }))
}

/// `headers` is a serialised map.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    body: &[u8],
    headers: &[u8],
) -> Result<(), Status> {
    /// The gateway derives the gRPC status from the HTTP one.
    const NO_GRPC_STATUS: i32 = -1;
    // SAFETY: pointers and lengths of live slices.
    done(unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

pub(crate) fn define_counter(name: &str) -> Result<u32, Status> {
    const COUNTER: u32 = 0;
    let mut id = 0;
    // SAFETY: pointer and length of a live slice, and a pointer to a live integer.
    done(unsafe { abi::proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_increment_metric(id, offset) })
}
