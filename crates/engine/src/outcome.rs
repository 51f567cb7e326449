//! The outcome of a request in any engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ByteString;
use crate::exchange::{Header, LogLevel};

/// The outcome of a request.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The response that the client received; none if there was none, or if the client disconnected.
    pub answer: Option<Answer>,
    /// The step at which a [conversation](crate::exchange::TalkStep) stopped, and the data received instead.
    pub stalled: Option<Stall>,
    /// The complete request that the upstream received; of a stream without an end, the part so far.
    pub upstream: Option<UpstreamRequest>,
    /// The calls that services received, in order.
    pub calls: Vec<Call>,
    /// The response-code details, if any.
    pub details: Option<String>,
    /// The plug-in's log during the request, at or above the case's level.
    pub log: Vec<LogLine>,
    /// The properties that plug-ins have set for the access log, by name, as far as the engine was asked for them.
    pub access_log: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The plug-in's counters by name, counted from the start of the case.
    pub counters: BTreeMap<String, u64>,
    /// The number of the plug-in's host calls during the request, if the engine counts them.
    pub host_calls: Option<u64>,
    /// Whether the plug-in closed the stream itself.
    pub closed: bool,
    /// The number of random configurations that the plug-in accepted meanwhile.
    pub reconfigured: usize,
    /// The names of the plug-in's host calls since its VM started, if the engine records them.
    pub called: BTreeSet<&'static str>,
    /// The number of contexts of streams and open calls that the plug-in has after the request, if known.
    pub left: Option<usize>,
    /// The module's instructions during the request, if the engine counts them. The number is the same in every run, but
    /// depends on the interpreter and its version.
    pub instructions: Option<u64>,
    /// The module's instructions from its start to this request, including its configuration, if the engine counts them.
    pub instructions_before: Option<u64>,
    /// The module's memory allocations during the request, if it [counts](crate::wasm::ALLOCATIONS) them.
    pub allocations: Option<u64>,
    /// The same, from its start to this request.
    pub allocations_before: Option<u64>,
    /// The module's memory after the request, in pages of 64 KiB, if known.
    pub memory_pages: Option<u64>,
}

/// An incomplete step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Its number, counting every `send`, `receive` and `end`.
    pub step: usize,
    /// The expected data.
    pub wanted: String,
    /// The received data.
    pub came: String,
}

/// The response that a client received.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers in order, without pseudo-headers; names in lower case.
    pub headers: Vec<Header>,
    /// The received part of the body.
    pub body: ByteString,
    /// Trailers in order.
    pub trailers: Vec<Header>,
    /// The cause if the response is incomplete.
    pub cut_off: Option<String>,
}

/// A complete request that the upstream received.
#[derive(Debug, Clone, Default)]
pub struct UpstreamRequest {
    /// The method.
    pub method: ByteString,
    /// The path, with the query.
    pub path: ByteString,
    /// `Host`, or `:authority`.
    pub host: ByteString,
    /// Headers in order, without pseudo-headers and `Host`; names in lower case.
    pub headers: Vec<Header>,
    /// The whole body.
    pub body: ByteString,
    /// Trailers in order.
    pub trailers: Vec<Header>,
}

/// A call of the plug-in, as received by the service.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The service's cluster.
    pub cluster: String,
    /// The complete request; a gRPC message is its body.
    pub request: UpstreamRequest,
}

/// A log message of the plug-in, or of the host about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: LogLevel,
    /// The message.
    pub message: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.level, self.message)
    }
}
