//! The mock host as the host of plug-ins that are linked into this process: calls of the SDK are passed on to it.

use std::cell::RefCell;
use std::rc::Rc;

use engine::host::{self, MockHost, VmHost};
use sdk::Status;
use sdk::native::{Answer, Entry, Host, OutgoingGrpc, OutgoingHttp};

/// The host of one VM.
struct Linked(VmHost);

/// Makes a host the one that plug-ins on this thread call.
pub(super) fn install(host: &VmHost) {
    sdk::native::install(Rc::new(RefCell::new(Linked(Rc::clone(host)))));
}

/// The entry points of a plug-in, as the mock host calls them.
pub(super) fn entry(entry: Entry) -> host::Entry {
    let Entry { on_context_create, on_configure, on_delete, .. } = entry;
    let mut same = host::Entry::new(on_context_create, on_configure, on_delete);
    same.on_request_headers = entry.on_request_headers;
    same.on_request_body = entry.on_request_body;
    same.on_request_trailers = entry.on_request_trailers;
    same.on_response_headers = entry.on_response_headers;
    same.on_response_body = entry.on_response_body;
    same.on_response_trailers = entry.on_response_trailers;
    same.on_log = entry.on_log;
    same.on_http_call_response = entry.on_http_call_response;
    same.on_grpc_receive = entry.on_grpc_receive;
    same.on_grpc_close = entry.on_grpc_close;
    same.on_tick = entry.on_tick;
    same.on_queue_ready = entry.on_queue_ready;
    same.on_done = entry.on_done;
    same.live = entry.live;
    same
}

impl Linked {
    fn call<T>(&self, call: impl FnOnce(&mut MockHost) -> host::Answer<T>) -> Answer<T> {
        let mut host = self.0.try_borrow_mut().map_err(|_| Status::INTERNAL_FAILURE)?;
        call(&mut host).map_err(|status| Status(status.0))
    }
}

fn grpc(call: OutgoingGrpc<'_>) -> host::OutgoingGrpc<'_> {
    let OutgoingGrpc { service, service_name, method, metadata, message, timeout } = call;
    host::OutgoingGrpc { service, service_name, method, metadata, message, timeout }
}

/// Host calls that pass their arguments on as they are.
macro_rules! pass_on {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        fn $name(&mut self, $($argument: $type),*) -> Answer<$result> {
            self.call(|host| host.$name($($argument),*))
        }
    )*};
}

impl Host for Linked {
    pass_on! {
        fn log(level: u32, message: &[u8]) -> ();
        fn log_level() -> u32;
        fn time() -> u64;
        fn buffer(buffer: u32, start: usize, size: usize) -> Vec<u8>;
        fn set_buffer(buffer: u32, start: usize, size: usize, value: &[u8]) -> ();
        fn header_pairs(map: u32) -> Vec<u8>;
        fn set_header_pairs(map: u32, pairs: &[u8]) -> ();
        fn header(map: u32, name: &[u8]) -> Vec<u8>;
        fn add_header(map: u32, name: &[u8], value: &[u8]) -> ();
        fn replace_header(map: u32, name: &[u8], value: &[u8]) -> ();
        fn remove_header(map: u32, name: &[u8]) -> ();
        fn property(path: &[u8]) -> Vec<u8>;
        fn send_local_response(
            status: u32, details: &[u8], body: &[u8], headers: &[u8], grpc_status: i32
        ) -> ();
        fn define_metric(kind: u32, name: &[u8]) -> u32;
        fn increment_metric(id: u32, offset: i64) -> ();
        fn record_metric(id: u32, value: u64) -> ();
        fn metric(id: u32) -> u64;
        fn set_property(path: &[u8], value: &[u8]) -> ();
        fn shared_data(key: &[u8]) -> (Vec<u8>, u32);
        fn set_shared_data(key: &[u8], value: &[u8], version: u32) -> ();
        fn register_queue(name: &[u8]) -> u32;
        fn resolve_queue(vm: &[u8], name: &[u8]) -> u32;
        fn dequeue(queue: u32) -> Vec<u8>;
        fn enqueue(queue: u32, value: &[u8]) -> ();
        fn call_foreign_function(name: &[u8], argument: &[u8]) -> Vec<u8>;
        fn set_effective_context(context: u32) -> ();
        fn continue_stream(stream: u32) -> ();
        fn close_stream(stream: u32) -> ();
        fn grpc_send(token: u32, message: &[u8], last: bool) -> ();
        fn grpc_cancel(token: u32) -> ();
        fn set_tick_period(milliseconds: u32) -> ();
    }

    fn http_call(&mut self, call: OutgoingHttp<'_>) -> Answer<u32> {
        let OutgoingHttp { cluster, headers, body, trailers, timeout } = call;
        self.call(|host| host.http_call(host::OutgoingHttp { cluster, headers, body, trailers, timeout }))
    }

    fn grpc_call(&mut self, call: OutgoingGrpc<'_>) -> Answer<u32> {
        self.call(|host| host.grpc_call(grpc(call)))
    }

    fn grpc_stream(&mut self, stream: OutgoingGrpc<'_>) -> Answer<u32> {
        self.call(|host| host.grpc_stream(grpc(stream)))
    }

    fn unknown(&mut self, name: &'static str) -> Status {
        let unknown = self.call(|host| Err::<(), _>(host.unknown(name)));
        unknown.err().unwrap_or(Status::UNIMPLEMENTED)
    }
}
