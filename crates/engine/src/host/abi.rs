//! The ABI between a host and a plug-in: numbers, bytes and the entry points of a plug-in.

/// A status of the ABI, returned by host calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// Success.
    pub const OK: Self = Self(0);
    /// Not found.
    pub const NOT_FOUND: Self = Self(1);
    /// An argument is wrong, or the call is not possible in this phase.
    pub const BAD_ARGUMENT: Self = Self(2);
    /// An address is outside of the module's memory.
    pub const INVALID_MEMORY_ACCESS: Self = Self(6);
    /// Empty.
    pub const EMPTY: Self = Self(7);
    /// The value was changed in the meantime.
    pub const CAS_MISMATCH: Self = Self(8);
    /// Internal failure of the host.
    pub const INTERNAL_FAILURE: Self = Self(10);
    /// The host does not implement the call.
    pub const UNIMPLEMENTED: Self = Self(12);
}

/// The result of a host call: a status other than [`Status::OK`] is an error.
pub type Answer<T> = Result<T, Status>;

/// The arguments of `proxy_http_call`.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingHttp<'a> {
    /// The cluster.
    pub cluster: &'a [u8],
    /// The serialised headers.
    pub headers: &'a [u8],
    /// The body.
    pub body: &'a [u8],
    /// The serialised trailers.
    pub trailers: &'a [u8],
    /// The timeout in milliseconds.
    pub timeout: u32,
}

/// The arguments of `proxy_grpc_call`, and those of `proxy_grpc_stream`, which has neither message nor timeout.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingGrpc<'a> {
    /// The cluster, or Envoy's `GrpcService` in protobuf.
    pub service: &'a [u8],
    /// The full name of the gRPC service.
    pub service_name: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// The serialised initial metadata.
    pub metadata: &'a [u8],
    /// The message.
    pub message: &'a [u8],
    /// The timeout in milliseconds.
    pub timeout: u32,
}

/// `proxy_on_http_call_response(context, token, headers, body_size, trailers)`.
pub type OnHttpCallResponse = fn(u32, u32, usize, usize, usize);

/// The entry points of a plug-in. A callback that it does not export is `None`. Sizes and counts are as in the ABI; a
/// callback that returns an action returns the ABI's number.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
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
    /// `proxy_on_redis_call_response(root, token, status, size)`, of Higress.
    pub on_redis_call_response: Option<fn(u32, u32, u32, usize)>,
    /// `proxy_on_tick(root)`.
    pub on_tick: Option<fn(u32)>,
    /// `proxy_on_queue_ready(root, queue)`.
    pub on_queue_ready: Option<fn(u32, u32)>,
    /// `proxy_on_done(context)`.
    pub on_done: Option<fn(u32) -> bool>,
    /// The number of streams and open calls in the plug-in, if it reports it.
    pub live: Option<fn() -> usize>,
}

impl Entry {
    /// A plug-in without callbacks for requests.
    #[must_use]
    pub fn new(
        on_context_create: fn(u32, u32),
        on_configure: fn(u32, usize) -> bool,
        on_delete: fn(u32),
    ) -> Self {
        Self {
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
            on_redis_call_response: None,
            on_tick: None,
            on_queue_ready: None,
            on_done: None,
            live: None,
        }
    }
}
