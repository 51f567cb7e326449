//! The host's side of the ABI for native targets, so that plug-ins link and run with plain `cargo test`.
//!
//! On wasm32, the gateway provides the `proxy_*` functions. On native targets this module defines them, for both styles of
//! plug-ins, and passes each call to the [`Host`] that the current thread has installed. The test kit has a host. Without
//! one, every call returns [`Status::UNIMPLEMENTED`]. Each thread is a VM.
#![allow(unsafe_code, reason = "defines the C functions of the ABI, whose callers pass pointers")]

use std::cell::RefCell;
use std::rc::Rc;

use crate::Status;
use crate::abi::allocate;

/// `proxy_on_http_call_response(context, token, headers, body_size, trailers)`.
pub type OnHttpCallResponse = fn(u32, u32, usize, usize, usize);

/// The entry points of a plug-in. A callback that a module would not export is `None`. Sizes, counts and actions are those
/// of the ABI.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name of the plug-in.
    pub name: &'static str,
    /// `proxy_on_context_create(context, root)`; a root has root 0.
    pub on_context_create: fn(u32, u32),
    /// `proxy_on_configure(root, size)`.
    pub on_configure: fn(u32, usize) -> bool,
    /// `proxy_on_delete(context)`.
    pub on_delete: fn(u32),
    /// `proxy_on_request_headers(context, count, end_of_stream)`.
    pub on_request_headers: Option<fn(u32, usize, bool) -> u32>,
    /// `proxy_on_request_body(context, size, end_of_stream)`.
    pub on_request_body: Option<fn(u32, usize, bool) -> u32>,
    /// `proxy_on_request_trailers(context, count)`.
    pub on_request_trailers: Option<fn(u32, usize) -> u32>,
    /// `proxy_on_response_headers(context, count, end_of_stream)`.
    pub on_response_headers: Option<fn(u32, usize, bool) -> u32>,
    /// `proxy_on_response_body(context, size, end_of_stream)`.
    pub on_response_body: Option<fn(u32, usize, bool) -> u32>,
    /// `proxy_on_response_trailers(context, count)`.
    pub on_response_trailers: Option<fn(u32, usize) -> u32>,
    /// `proxy_on_log(context)`.
    pub on_log: Option<fn(u32)>,
    /// `proxy_on_http_call_response(context, token, headers, body_size, trailers)`.
    pub on_http_call_response: Option<OnHttpCallResponse>,
    /// `proxy_on_grpc_receive(context, token, size)`.
    pub on_grpc_receive: Option<fn(u32, u32, usize)>,
    /// `proxy_on_grpc_close(context, token, status)`.
    pub on_grpc_close: Option<fn(u32, u32, u32)>,
    /// `proxy_on_tick(root)`.
    pub on_tick: Option<fn(u32)>,
    /// `proxy_on_queue_ready(root, queue)`.
    pub on_queue_ready: Option<fn(u32, u32)>,
    /// Returns the number of streams and open calls; `None` in the classic style.
    pub live: Option<fn() -> usize>,
    /// `proxy_on_done(context)`; only in the classic style.
    pub on_done: Option<fn(u32) -> bool>,
}

impl Entry {
    /// Creates the entry points of a plug-in without callbacks for requests.
    pub fn new(
        name: &'static str,
        on_context_create: fn(u32, u32),
        on_configure: fn(u32, usize) -> bool,
        on_delete: fn(u32),
    ) -> Self {
        Entry {
            name,
            on_context_create,
            on_configure,
            on_delete,
            on_request_headers: None,
            on_request_body: None,
            on_request_trailers: None,
            on_response_headers: None,
            on_response_body: None,
            on_response_trailers: None,
            on_log: None,
            on_http_call_response: None,
            on_grpc_receive: None,
            on_grpc_close: None,
            on_tick: None,
            on_queue_ready: None,
            live: None,
            on_done: None,
        }
    }
}

/// The result of a host call. A status other than [`Status::OK`] is an error.
pub type Answer<T> = Result<T, Status>;

/// A host. Maps, buffers and levels are the ABI's numbers, and a serialized map is in the ABI's format.
pub trait Host {
    /// `proxy_log`.
    fn log(&mut self, level: u32, message: &[u8]) -> Answer<()>;
    /// `proxy_get_log_level`.
    fn log_level(&mut self) -> Answer<u32>;
    /// `proxy_get_current_time_nanoseconds`.
    fn time(&mut self) -> Answer<u64>;
    /// `proxy_get_buffer_bytes`.
    fn buffer(&mut self, buffer: u32, start: usize, size: usize) -> Answer<Vec<u8>>;
    /// `proxy_set_buffer_bytes`.
    fn set_buffer(&mut self, buffer: u32, start: usize, size: usize, value: &[u8]) -> Answer<()>;
    /// `proxy_get_header_map_pairs`.
    fn header_pairs(&mut self, map: u32) -> Answer<Vec<u8>>;
    /// `proxy_set_header_map_pairs`.
    fn set_header_pairs(&mut self, map: u32, pairs: &[u8]) -> Answer<()>;
    /// `proxy_get_header_map_value`.
    fn header(&mut self, map: u32, name: &[u8]) -> Answer<Vec<u8>>;
    /// `proxy_add_header_map_value`.
    fn add_header(&mut self, map: u32, name: &[u8], value: &[u8]) -> Answer<()>;
    /// `proxy_replace_header_map_value`.
    fn replace_header(&mut self, map: u32, name: &[u8], value: &[u8]) -> Answer<()>;
    /// `proxy_remove_header_map_value`.
    fn remove_header(&mut self, map: u32, name: &[u8]) -> Answer<()>;
    /// `proxy_get_property`; segments are joined by NUL.
    fn property(&mut self, path: &[u8]) -> Answer<Vec<u8>>;
    /// `proxy_send_local_response`.
    fn send_local_response(
        &mut self,
        status: u32,
        details: &[u8],
        body: &[u8],
        headers: &[u8],
        grpc_status: i32,
    ) -> Answer<()>;
    /// `proxy_define_metric`.
    fn define_metric(&mut self, kind: u32, name: &[u8]) -> Answer<u32>;
    /// `proxy_increment_metric`.
    fn increment_metric(&mut self, id: u32, offset: i64) -> Answer<()>;
    /// `proxy_record_metric`.
    fn record_metric(&mut self, id: u32, value: u64) -> Answer<()> {
        let _ = (id, value);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_get_metric`.
    fn metric(&mut self, id: u32) -> Answer<u64> {
        let _ = id;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_set_property`; segments are joined by NUL.
    fn set_property(&mut self, path: &[u8], value: &[u8]) -> Answer<()> {
        let _ = (path, value);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_get_shared_data`: the value and its version.
    fn shared_data(&mut self, key: &[u8]) -> Answer<(Vec<u8>, u32)> {
        let _ = key;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_set_shared_data`; version 0 is any.
    fn set_shared_data(&mut self, key: &[u8], value: &[u8], version: u32) -> Answer<()> {
        let _ = (key, value, version);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_register_shared_queue`.
    fn register_queue(&mut self, name: &[u8]) -> Answer<u32> {
        let _ = name;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_resolve_shared_queue`.
    fn resolve_queue(&mut self, vm: &[u8], name: &[u8]) -> Answer<u32> {
        let _ = (vm, name);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_dequeue_shared_queue`.
    fn dequeue(&mut self, queue: u32) -> Answer<Vec<u8>> {
        let _ = queue;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_enqueue_shared_queue`.
    fn enqueue(&mut self, queue: u32, value: &[u8]) -> Answer<()> {
        let _ = (queue, value);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_call_foreign_function`.
    fn call_foreign_function(&mut self, name: &[u8], argument: &[u8]) -> Answer<Vec<u8>> {
        let _ = (name, argument);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_set_effective_context`.
    fn set_effective_context(&mut self, context: u32) -> Answer<()>;
    /// `proxy_continue_stream`; 0 is the request, 1 the response.
    fn continue_stream(&mut self, stream: u32) -> Answer<()> {
        let _ = stream;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_http_call`; returns the token.
    fn http_call(&mut self, call: OutgoingHttp<'_>) -> Answer<u32> {
        let _ = call;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_grpc_call`; returns the token.
    fn grpc_call(&mut self, call: OutgoingGrpc<'_>) -> Answer<u32> {
        let _ = call;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_grpc_stream`; returns the token. There is no message yet, and no timeout.
    fn grpc_stream(&mut self, stream: OutgoingGrpc<'_>) -> Answer<u32> {
        let _ = stream;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_grpc_send`.
    fn grpc_send(&mut self, token: u32, message: &[u8], last: bool) -> Answer<()> {
        let _ = (token, message, last);
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_close_stream`; 0 is the request, 1 the response.
    fn close_stream(&mut self, stream: u32) -> Answer<()> {
        let _ = stream;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_set_tick_period_milliseconds`.
    fn set_tick_period(&mut self, milliseconds: u32) -> Answer<()> {
        let _ = milliseconds;
        Err(Status::UNIMPLEMENTED)
    }
    /// `proxy_grpc_cancel`.
    fn grpc_cancel(&mut self, token: u32) -> Answer<()> {
        let _ = token;
        Err(Status::UNIMPLEMENTED)
    }
    /// A call that this host does not implement, with its name.
    fn unknown(&mut self, name: &'static str) -> Status;
}

/// The arguments of `proxy_http_call`.
pub struct OutgoingHttp<'a> {
    /// The cluster.
    pub cluster: &'a [u8],
    /// The serialized headers.
    pub headers: &'a [u8],
    /// The body.
    pub body: &'a [u8],
    /// The serialized trailers.
    pub trailers: &'a [u8],
    /// The timeout in milliseconds.
    pub timeout: u32,
}

/// The arguments of `proxy_grpc_call`.
pub struct OutgoingGrpc<'a> {
    /// The cluster, or Envoy's `GrpcService` in protobuf.
    pub service: &'a [u8],
    /// The full name of the gRPC service.
    pub service_name: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// The serialized initial metadata.
    pub metadata: &'a [u8],
    /// The message.
    pub message: &'a [u8],
    /// The timeout in milliseconds.
    pub timeout: u32,
}

thread_local! {
    static HOST: RefCell<Option<Rc<RefCell<dyn Host>>>> = const { RefCell::new(None) };
}

/// Installs `host` as the host of plug-ins on this thread.
pub fn install(host: Rc<RefCell<dyn Host>>) {
    HOST.set(Some(host));
}

/// Calls the installed host.
fn with_host<T>(call: impl FnOnce(&mut dyn Host) -> Answer<T>) -> Answer<T> {
    // A thread that ends drops its values in any order, and their `Drop` may call the host.
    let host = HOST.try_with(|host| host.borrow().clone()).ok().flatten().ok_or(Status::UNIMPLEMENTED)?;
    let mut host = host.try_borrow_mut().map_err(|_| Status::INTERNAL_FAILURE)?;
    call(&mut *host)
}

/// Returns the number for the result of a call.
fn status(result: Answer<()>) -> u32 {
    result.err().unwrap_or(Status::OK).0
}

/// Stores a value at the address that the caller passes.
///
/// # Safety
///
/// `at` points to memory for a `T`.
unsafe fn store<T>(result: Answer<T>, at: *mut T) -> u32 {
    // SAFETY: guaranteed by the caller.
    status(result.map(|value| unsafe { at.write(value) }))
}

/// Copies bytes into memory that the plug-in frees.
///
/// # Safety
///
/// `data` and `size` point to memory for a pointer and a number.
unsafe fn store_bytes(result: Answer<Vec<u8>>, data: *mut *mut u8, size: *mut usize) -> u32 {
    status(result.map(|bytes| {
        let copy = allocate(bytes.len());
        let length = if copy.is_null() { 0 } else { bytes.len() };
        // SAFETY: `copy` has space for the bytes if it is not null; `data` and `size` are guaranteed by the caller.
        unsafe {
            copy.copy_from_nonoverlapping(bytes.as_ptr(), length);
            data.write(copy);
            size.write(length);
        }
    }))
}

/// Returns the bytes that a caller passes.
///
/// # Safety
///
/// `data` points to `size` bytes that live as long as the call. It may be anything if `size` is 0.
unsafe fn passed<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    // SAFETY: guaranteed by the caller.
    unsafe { std::slice::from_raw_parts(data, size) }
}

pub(crate) mod calls {
    //! The functions themselves.
    #![allow(clippy::missing_safety_doc, reason = "all pointers are those of the ABI")]

    use super::{OutgoingGrpc, OutgoingHttp, passed, status, store, store_bytes, with_host};

    /// Defines host calls. They are unsafe because they rely on the pointers of the ABI.
    macro_rules! calls {
        ($(fn $name:ident($($argument:ident: $type:ty),*) $body:block)*) => {$(
            #[unsafe(no_mangle)]
            #[allow(unused_unsafe, reason = "some calls pass no pointer")]
            pub(crate) unsafe extern "C" fn $name($($argument: $type),*) -> u32 {
                // SAFETY: a plug-in passes pointers to live memory of the given sizes, as the ABI requires.
                unsafe { $body }
            }
        )*};
    }

    calls! {
        fn proxy_log(level: u32, message: *const u8, size: usize) {
            let message = passed(message, size);
            status(with_host(|host| host.log(level, message)))
        }
        fn proxy_get_log_level(level: *mut u32) {
            store(with_host(|host| host.log_level()), level)
        }
        fn proxy_get_current_time_nanoseconds(time: *mut u64) {
            store(with_host(|host| host.time()), time)
        }
        fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) {
            store_bytes(with_host(|host| host.buffer(buffer, start, max)), data, size)
        }
        fn proxy_set_buffer_bytes(buffer: u32, start: usize, length: usize, data: *const u8, size: usize) {
            let value = passed(data, size);
            status(with_host(|host| host.set_buffer(buffer, start, length, value)))
        }
        fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) {
            store_bytes(with_host(|host| host.header_pairs(map)), data, size)
        }
        fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) {
            let pairs = passed(data, size);
            status(with_host(|host| host.set_header_pairs(map, pairs)))
        }
        fn proxy_get_header_map_value(
            map: u32, name: *const u8, name_size: usize, data: *mut *mut u8, size: *mut usize
        ) {
            let name = passed(name, name_size);
            store_bytes(with_host(|host| host.header(map, name)), data, size)
        }
        fn proxy_add_header_map_value(
            map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize
        ) {
            let (name, value) = (passed(name, name_size), passed(value, value_size));
            status(with_host(|host| host.add_header(map, name, value)))
        }
        fn proxy_replace_header_map_value(
            map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize
        ) {
            let (name, value) = (passed(name, name_size), passed(value, value_size));
            status(with_host(|host| host.replace_header(map, name, value)))
        }
        fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) {
            let name = passed(name, name_size);
            status(with_host(|host| host.remove_header(map, name)))
        }
        fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) {
            let path = passed(path, path_size);
            store_bytes(with_host(|host| host.property(path)), data, size)
        }
        fn proxy_send_local_response(
            code: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize,
            headers: *const u8, headers_size: usize, grpc_status: i32
        ) {
            let (details, body) = (passed(details, details_size), passed(body, body_size));
            let headers = passed(headers, headers_size);
            status(with_host(|host| host.send_local_response(code, details, body, headers, grpc_status)))
        }
        fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) {
            let name = passed(name, name_size);
            store(with_host(|host| host.define_metric(kind, name)), id)
        }
        fn proxy_increment_metric(id: u32, offset: i64) {
            status(with_host(|host| host.increment_metric(id, offset)))
        }
        fn proxy_continue_stream(stream: u32) {
            status(with_host(|host| host.continue_stream(stream)))
        }
        fn proxy_http_call(
            cluster: *const u8, cluster_size: usize, headers: *const u8, headers_size: usize, body: *const u8,
            body_size: usize, trailers: *const u8, trailers_size: usize, timeout: u32, token: *mut u32
        ) {
            let call = OutgoingHttp {
                cluster: passed(cluster, cluster_size),
                headers: passed(headers, headers_size),
                body: passed(body, body_size),
                trailers: passed(trailers, trailers_size),
                timeout,
            };
            store(with_host(|host| host.http_call(call)), token)
        }
        fn proxy_grpc_call(
            service: *const u8, service_size: usize, service_name: *const u8, service_name_size: usize,
            method: *const u8, method_size: usize, metadata: *const u8, metadata_size: usize,
            message: *const u8, message_size: usize, timeout: u32, token: *mut u32
        ) {
            let call = OutgoingGrpc {
                service: passed(service, service_size),
                service_name: passed(service_name, service_name_size),
                method: passed(method, method_size),
                metadata: passed(metadata, metadata_size),
                message: passed(message, message_size),
                timeout,
            };
            store(with_host(|host| host.grpc_call(call)), token)
        }
        fn proxy_grpc_stream(
            service: *const u8, service_size: usize, service_name: *const u8, service_name_size: usize,
            method: *const u8, method_size: usize, metadata: *const u8, metadata_size: usize, token: *mut u32
        ) {
            let stream = OutgoingGrpc {
                service: passed(service, service_size),
                service_name: passed(service_name, service_name_size),
                method: passed(method, method_size),
                metadata: passed(metadata, metadata_size),
                message: &[],
                timeout: 0,
            };
            store(with_host(|host| host.grpc_stream(stream)), token)
        }
        fn proxy_grpc_send(token: u32, message: *const u8, size: usize, last: u32) {
            let message = passed(message, size);
            status(with_host(|host| host.grpc_send(token, message, last != 0)))
        }
        fn proxy_close_stream(stream: u32) {
            status(with_host(|host| host.close_stream(stream)))
        }
        fn proxy_set_tick_period_milliseconds(period: u32) {
            status(with_host(|host| host.set_tick_period(period)))
        }
        fn proxy_grpc_cancel(token: u32) {
            status(with_host(|host| host.grpc_cancel(token)))
        }
        fn proxy_record_metric(id: u32, value: u64) {
            status(with_host(|host| host.record_metric(id, value)))
        }
        fn proxy_get_metric(id: u32, value: *mut u64) {
            store(with_host(|host| host.metric(id)), value)
        }
        fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) {
            let (path, value) = (passed(path, path_size), passed(value, value_size));
            status(with_host(|host| host.set_property(path, value)))
        }
        fn proxy_get_shared_data(
            key: *const u8, key_size: usize, data: *mut *mut u8, size: *mut usize, version: *mut u32
        ) {
            let key = passed(key, key_size);
            let result = with_host(|host| host.shared_data(key)).map(|(value, number)| {
                version.write(number);
                value
            });
            store_bytes(result, data, size)
        }
        fn proxy_set_shared_data(
            key: *const u8, key_size: usize, value: *const u8, value_size: usize, version: u32
        ) {
            let (key, value) = (passed(key, key_size), passed(value, value_size));
            status(with_host(|host| host.set_shared_data(key, value, version)))
        }
        fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) {
            let name = passed(name, name_size);
            store(with_host(|host| host.register_queue(name)), queue)
        }
        fn proxy_resolve_shared_queue(
            vm: *const u8, vm_size: usize, name: *const u8, name_size: usize, queue: *mut u32
        ) {
            let (vm, name) = (passed(vm, vm_size), passed(name, name_size));
            store(with_host(|host| host.resolve_queue(vm, name)), queue)
        }
        fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) {
            store_bytes(with_host(|host| host.dequeue(queue)), data, size)
        }
        fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) {
            let value = passed(data, size);
            status(with_host(|host| host.enqueue(queue, value)))
        }
        fn proxy_call_foreign_function(
            name: *const u8, name_size: usize, argument: *const u8, argument_size: usize,
            data: *mut *mut u8, size: *mut usize
        ) {
            let (name, argument) = (passed(name, name_size), passed(argument, argument_size));
            store_bytes(with_host(|host| host.call_foreign_function(name, argument)), data, size)
        }
        fn proxy_set_effective_context(context: u32) {
            status(with_host(|host| host.set_effective_context(context)))
        }
    }

    // Native hosts have no Redis.
    #[cfg(feature = "redis")]
    calls! {
        fn proxy_redis_init(
            _cluster: *const u8, _cluster_size: usize, _user: *const u8, _user_size: usize, _password: *const u8,
            _password_size: usize, _timeout: u32
        ) {
            status(with_host(|host| Err(host.unknown("proxy_redis_init"))))
        }
        fn proxy_redis_call(
            _cluster: *const u8, _cluster_size: usize, _command: *const u8, _command_size: usize, _token: *mut u32
        ) {
            status(with_host(|host| Err(host.unknown("proxy_redis_call"))))
        }
    }

    /// Defines the calls that plug-ins of the `Plugin` style do not make. The proxy-wasm crate declares them, so a classic
    /// plug-in needs them to link. The host decides what they return.
    macro_rules! unknown {
        ($($name:ident($($type:ty),*);)*) => {$(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($(_: $type),*) -> u32 {
                status(with_host(|host| Err(host.unknown(stringify!($name)))))
            }
        )*};
    }

    type Out<T> = *mut T;

    unknown! {
        proxy_grpc_close(u32);
        proxy_get_status(Out<u32>, Out<*mut u8>, Out<usize>);
        proxy_done();
    }
}
