//! The proxy-wasm ABI 0.2.1: its numbers, the declarations of its host calls, and the allocator for hosts
//! (`abi-versions/v0.2.1` of the proxy-wasm specification).
//!
//! This crate has its own declarations, because those of the proxy-wasm crate cannot be combined with other entry
//! points: using a single type of it links its dispatcher, which defines the same `proxy_on_*` symbols.
#![allow(unsafe_code, reason = "a foreign interface; `host` wraps each call in a safe function")]

use std::cell::Cell;
use std::ptr::null_mut;

/// The result of a host call. Numbers that the ABI does not define are kept unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// Success.
    pub const OK: Status = Status(0);
    /// Not found.
    pub const NOT_FOUND: Status = Status(1);
    /// An argument is invalid, or the call is not allowed in this phase.
    pub const BAD_ARGUMENT: Status = Status(2);
    /// Empty.
    pub const EMPTY: Status = Status(7);
    /// The value has been changed by another writer.
    pub const CAS_MISMATCH: Status = Status(8);
    /// The host failed.
    pub const INTERNAL_FAILURE: Status = Status(10);
    /// The host does not implement the call.
    pub const UNIMPLEMENTED: Status = Status(12);
}

/// Result of a callback: the stream continues.
pub(crate) const CONTINUE: u32 = 0;
/// Result of a callback: the stream pauses.
pub(crate) const PAUSE: u32 = 1;

/// A map of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum MapType {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CallResponseHeaders = 6,
    CallResponseTrailers = 7,
}

/// A buffer of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum BufferType {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    GrpcMessage = 5,
    PluginConfiguration = 7,
    /// Higress's.
    #[cfg(feature = "redis")]
    RedisResponse = 9,
}

#[cfg(target_family = "wasm")]
mod calls {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub fn proxy_get_log_level(level: *mut u32) -> u32;
        pub fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_set_buffer_bytes(
            buffer: u32,
            start: usize,
            length: usize,
            data: *const u8,
            size: usize,
        ) -> u32;
        pub fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
        pub fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub fn proxy_continue_stream(stream: u32) -> u32;
        pub fn proxy_close_stream(stream: u32) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
        pub fn proxy_http_call(
            upstream: *const u8,
            upstream_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout_milliseconds: u32,
            token: *mut u32,
        ) -> u32;
        pub fn proxy_grpc_call(
            service: *const u8,
            service_size: usize,
            service_name: *const u8,
            service_name_size: usize,
            method: *const u8,
            method_size: usize,
            metadata: *const u8,
            metadata_size: usize,
            message: *const u8,
            message_size: usize,
            timeout_milliseconds: u32,
            token: *mut u32,
        ) -> u32;
        pub fn proxy_grpc_stream(
            service: *const u8,
            service_size: usize,
            service_name: *const u8,
            service_name_size: usize,
            method: *const u8,
            method_size: usize,
            metadata: *const u8,
            metadata_size: usize,
            token: *mut u32,
        ) -> u32;
        pub fn proxy_grpc_send(token: u32, message: *const u8, size: usize, last: u32) -> u32;
        pub fn proxy_grpc_cancel(token: u32) -> u32;
        pub fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
            version: *mut u32,
        ) -> u32;
        pub fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            version: u32,
        ) -> u32;
        pub fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) -> u32;
        pub fn proxy_resolve_shared_queue(
            vm: *const u8,
            vm_size: usize,
            name: *const u8,
            name_size: usize,
            queue: *mut u32,
        ) -> u32;
        pub fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> u32;
        pub fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
        pub fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            result: *mut *mut u8,
            result_size: *mut usize,
        ) -> u32;
        #[cfg(feature = "redis")]
        pub fn proxy_redis_init(
            cluster: *const u8,
            cluster_size: usize,
            user: *const u8,
            user_size: usize,
            password: *const u8,
            password_size: usize,
            timeout_milliseconds: u32,
        ) -> u32;
        #[cfg(feature = "redis")]
        pub fn proxy_redis_call(
            cluster: *const u8,
            cluster_size: usize,
            command: *const u8,
            command_size: usize,
            token: *mut u32,
        ) -> u32;
    }
}

#[cfg(target_family = "wasm")]
pub(crate) use calls::*;

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::native::calls::*;

std::thread_local! {
    /// Memory that is lent to the host for its next result, and its size.
    static LENT: Cell<(*mut u8, usize)> = const { Cell::new((null_mut(), 0)) };
}

/// Lends memory to the host during a call: a result that fits is written there, without an allocation. [`allocate`] only
/// returns the address; the caller is responsible for the memory.
pub(crate) fn lend<R>(memory: *mut u8, size: usize, call: impl FnOnce() -> R) -> R {
    /// Takes the memory back if the host did not use it, even if the host of a native test panics.
    struct TakeBack;
    impl Drop for TakeBack {
        fn drop(&mut self) {
            LENT.set((null_mut(), 0));
        }
    }
    LENT.set((memory, size));
    let _take_back = TakeBack;
    call()
}

/// Allocates memory for a result of the host: `proxy_on_memory_allocate`. Null if that fails, which hosts handle as a
/// failed call.
pub fn allocate(size: usize) -> *mut u8 {
    let (lent, capacity) = LENT.get();
    if (1..=capacity).contains(&size) {
        // A second result must not overwrite the first.
        LENT.set((null_mut(), 0));
        return lent;
    }
    match std::alloc::Layout::array::<u8>(size) {
        // SAFETY: the size of the layout is not 0, as `alloc` requires.
        Ok(layout) if size > 0 => unsafe { std::alloc::alloc(layout) },
        _ => null_mut(),
    }
}

/// Takes ownership of memory that a host has written.
///
/// # Safety
///
/// `data` is null, or it was returned by [`allocate`] for `size`, filled by the host, and has no other owner.
pub(crate) unsafe fn take(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise; `allocate` used this layout.
    unsafe { Vec::from_raw_parts(data, size, size) }
}
