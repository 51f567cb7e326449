//! Host calls as safe functions, with a [`Status`] as the error.
#![allow(
    unsafe_code,
    reason = "passes pointers to live slices and takes ownership of memory from `abi::allocate`"
)]

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::time::Duration;

use crate::abi::{self, BufferType, MapType, Status, take};

/// Converts a returned number into a result.
fn done(status: u32) -> Result<(), Status> {
    match Status(status) {
        Status::OK => Ok(()),
        status => Err(status),
    }
}

/// Runs a call that returns bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (null_mut(), 0);
    done(call(&mut data, &mut size))?;
    // SAFETY: a host that returns OK has written either nothing or memory that it got from `abi::allocate`.
    Ok(unsafe { take(data, size) })
}

/// Converts `NotFound` into `None`.
fn optional(result: Result<Vec<u8>, Status>) -> Result<Option<Vec<u8>>, Status> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Status::NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

pub(crate) fn log(level: u32, message: &str) {
    // SAFETY: pointer and length of a live slice.
    // It fails only for an unknown level, and there is no other place to report that.
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

/// Replaces the first `size` bytes of the buffer with `value`.
pub(crate) fn set_buffer(buffer: BufferType, size: usize, value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length of a live slice.
    done(unsafe { abi::proxy_set_buffer_bytes(buffer as u32, 0, size, value.as_ptr(), value.len()) })
}

/// Reads the plug-in's configuration, whose size the host has announced.
pub fn configuration(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let text = buffer(BufferType::PluginConfiguration, 0, size)?;
    // A part of a configuration may be a valid configuration that allows more.
    if text.len() == size { Ok(text) } else { Err(Status::INTERNAL_FAILURE) }
}

pub(crate) fn header_pairs(map: MapType) -> Result<Vec<u8>, Status> {
    // SAFETY: the pointers are those of live variables of `bytes`.
    bytes(|data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) })
}

/// `pairs` is a serialized map, which replaces all headers.
pub(crate) fn set_header_pairs(map: MapType, pairs: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length of a live slice.
    done(unsafe { abi::proxy_set_header_map_pairs(map as u32, pairs.as_ptr(), pairs.len()) })
}

pub(crate) fn header(map: MapType, name: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: pointers and lengths of live slices and variables.
    optional(bytes(|data, size| unsafe {
        abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    }))
}

/// Calls `look` with the first value of a header, which is read onto the stack if it is short.
pub(crate) fn with_header<R>(
    map: MapType,
    name: &[u8],
    look: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>, Status> {
    /// Paths and hosts are rarely longer.
    const CAPACITY: usize = 1024;
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; CAPACITY];
    let address = buffer.as_mut_ptr().cast();
    let (mut data, mut size) = (null_mut(), 0);
    let status = abi::lend(address, CAPACITY, || {
        // SAFETY: pointers and lengths of live slices and variables.
        unsafe {
            abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), &mut data, &mut size)
        }
    });
    match done(status) {
        Ok(()) if data == address => {
            // SAFETY: the host got this address from `abi::allocate` for at most CAPACITY bytes, and has filled them.
            Ok(Some(look(unsafe { std::slice::from_raw_parts(data, size.min(CAPACITY)) })))
        }
        // SAFETY: a host that returns OK has written either nothing or memory that it got from `abi::allocate`.
        Ok(()) => Ok(Some(look(&unsafe { take(data, size) }))),
        Err(Status::NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

#[inline]
pub(crate) fn add_header(map: MapType, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointers and lengths of live slices.
    done(unsafe {
        abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

#[inline]
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

#[inline]
pub(crate) fn remove_header(map: MapType, name: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length of a live slice.
    done(unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// `path` has the segments of the property, joined by NUL.
pub(crate) fn property(path: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: pointers and lengths of live slices and variables.
    optional(bytes(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) }))
}

/// `headers` is a serialized map.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    body: &[u8],
    headers: &[u8],
) -> Result<(), Status> {
    /// The gateway derives the gRPC status from the HTTP status.
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

/// The half of a stream, with the ABI's numbers.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum StreamType {
    Request = 0,
    Response = 1,
}

pub(crate) fn continue_stream(stream: StreamType) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_continue_stream(stream as u32) })
}

pub(crate) fn set_effective_context(context: u32) {
    // It fails only if the host is in that context already.
    let _ = try_set_effective_context(context);
}

pub(crate) fn try_set_effective_context(context: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_set_effective_context(context) })
}

/// Converts to the whole milliseconds of the ABI. At least 1, because 0 means "never" in some hosts.
fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// `headers` is a serialized map. Returns the token of the call.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[u8],
    body: &[u8],
    timeout: Duration,
) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: pointers and lengths of live slices, and a pointer to a live integer.
    done(unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            [].as_ptr(),
            0,
            milliseconds(timeout),
            &mut token,
        )
    })?;
    Ok(token)
}

/// `metadata` is a serialized map. Returns the token of the call.
pub(crate) fn grpc_call(
    service: &[u8],
    service_name: &str,
    method: &str,
    metadata: &[u8],
    message: &[u8],
    timeout: Duration,
) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: pointers and lengths of live slices, and a pointer to a live integer.
    done(unsafe {
        abi::proxy_grpc_call(
            service.as_ptr(),
            service.len(),
            service_name.as_ptr(),
            service_name.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            milliseconds(timeout),
            &mut token,
        )
    })?;
    Ok(token)
}

/// Registers a Redis server.
#[cfg(feature = "redis")]
pub(crate) fn redis_init(cluster: &str, user: &str, password: &str, timeout: Duration) -> Result<(), Status> {
    // SAFETY: pointers and lengths of live slices.
    done(unsafe {
        abi::proxy_redis_init(
            cluster.as_ptr(),
            cluster.len(),
            user.as_ptr(),
            user.len(),
            password.as_ptr(),
            password.len(),
            milliseconds(timeout),
        )
    })
}

/// Returns the token of the call.
#[cfg(feature = "redis")]
pub(crate) fn redis_call(cluster: &str, command: &[u8]) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: pointers and lengths of live slices, and a pointer to a live integer.
    done(unsafe {
        abi::proxy_redis_call(cluster.as_ptr(), cluster.len(), command.as_ptr(), command.len(), &mut token)
    })?;
    Ok(token)
}

/// `metadata` is a serialized map. Returns the token of the stream.
pub(crate) fn grpc_stream(
    service: &[u8],
    service_name: &str,
    method: &str,
    metadata: &[u8],
) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: pointers and lengths of live slices, and a pointer to a live integer.
    done(unsafe {
        abi::proxy_grpc_stream(
            service.as_ptr(),
            service.len(),
            service_name.as_ptr(),
            service_name.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            &mut token,
        )
    })?;
    Ok(token)
}

pub(crate) fn grpc_send(token: u32, message: &[u8], last: bool) -> Result<(), Status> {
    // SAFETY: pointer and length of a live slice.
    done(unsafe { abi::proxy_grpc_send(token, message.as_ptr(), message.len(), u32::from(last)) })
}

pub(crate) fn close_stream(stream: StreamType) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_close_stream(stream as u32) })
}

pub(crate) fn set_tick_period(period: Duration) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_set_tick_period_milliseconds(milliseconds(period)) })
}

pub(crate) fn grpc_cancel(token: u32) {
    // SAFETY: no pointers.
    // It fails only if the call has ended already.
    let _ = unsafe { abi::proxy_grpc_cancel(token) };
}

/// The kind of a metric, with the ABI's numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

pub(crate) fn define_metric(kind: MetricType, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: pointer and length of a live slice, and a pointer to a live integer.
    done(unsafe { abi::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_increment_metric(id, offset) })
}

pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no pointers.
    done(unsafe { abi::proxy_record_metric(id, value) })
}

pub(crate) fn metric(id: u32) -> Result<u64, Status> {
    let mut value = 0;
    // SAFETY: a pointer to a live integer.
    done(unsafe { abi::proxy_get_metric(id, &mut value) })?;
    Ok(value)
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointers and lengths of live slices.
    done(unsafe { abi::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Returns the value of a key and its version, if the key exists.
pub(crate) fn shared_data(key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Status> {
    let mut version = 0;
    // SAFETY: pointers and lengths of live slices and variables.
    let value = optional(bytes(|data, size| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut version)
    }))?;
    Ok(value.map(|value| (value, version)))
}

/// Sets the value if the version is current. Version 0 always sets it.
pub(crate) fn set_shared_data(key: &[u8], value: &[u8], version: u32) -> Result<(), Status> {
    // SAFETY: pointers and lengths of live slices.
    done(unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

pub(crate) fn register_queue(name: &str) -> Result<u32, Status> {
    let mut queue = 0;
    // SAFETY: pointer and length of a live slice, and a pointer to a live integer.
    done(unsafe { abi::proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue) })?;
    Ok(queue)
}

pub(crate) fn resolve_queue(vm: &str, name: &str) -> Result<u32, Status> {
    let mut queue = 0;
    // SAFETY: pointers and lengths of live slices, and a pointer to a live integer.
    done(unsafe {
        abi::proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), &mut queue)
    })?;
    Ok(queue)
}

pub(crate) fn dequeue(queue: u32) -> Result<Vec<u8>, Status> {
    // SAFETY: the pointers are those of live variables of `bytes`.
    bytes(|data, size| unsafe { abi::proxy_dequeue_shared_queue(queue, data, size) })
}

pub(crate) fn enqueue(queue: u32, value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length of a live slice.
    done(unsafe { abi::proxy_enqueue_shared_queue(queue, value.as_ptr(), value.len()) })
}

/// Returns the time in nanoseconds since 1970-01-01T00:00:00Z.
pub(crate) fn time() -> Result<u64, Status> {
    let mut time = 0;
    // SAFETY: a pointer to a live integer.
    done(unsafe { abi::proxy_get_current_time_nanoseconds(&mut time) })?;
    Ok(time)
}

pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: pointers and lengths of live slices and variables.
    bytes(|data, size| unsafe {
        abi::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            size,
        )
    })
}
