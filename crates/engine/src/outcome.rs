//! What came of one request, whichever engine it went through.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ByteString;
use crate::exchange::{Header, LogLevel};

/// What came of one request.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The answer that the client got; nothing when it got none, or went away.
    pub answer: Option<Answer>,
    /// Where a [talk](crate::exchange::TalkStep) has stopped: the step, and what came instead of its bytes.
    pub stalled: Option<Stall>,
    /// The complete request that the upstream saw; of a stream without an end, what it saw so far.
    pub upstream: Option<UpstreamRequest>,
    /// What the services saw, in the order in which it came.
    pub calls: Vec<Call>,
    /// The response-code details, where the stream had any.
    pub details: Option<String>,
    /// What the plug-in logged during the request, at or above the case's level.
    pub log: Vec<LogLine>,
    /// The plug-in's counters by name, counted from the start of the case.
    pub counters: BTreeMap<String, u64>,
    /// The plug-in's host calls during the request, where the engine counts them.
    pub host_calls: Option<u64>,
    /// Whether the plug-in has closed the stream itself.
    pub closed: bool,
    /// How many other configurations the plug-in has accepted at random meanwhile.
    pub reconfigured: usize,
    /// The names of the plug-in's host calls since its VM began, where the engine sees them.
    pub called: BTreeSet<&'static str>,
    /// Contexts of streams and open calls that the plug-in still has after the request, where the engine knows it.
    pub left: Option<usize>,
    /// The module's instructions during the request, where the engine counts them. The same in every run, but other
    /// interpreters and versions count otherwise.
    pub instructions: Option<u64>,
    /// The module's instructions from its start to this request, its configuration among them, where the engine counts
    /// them.
    pub instructions_before: Option<u64>,
    /// How often the module has allocated memory during the request, where it [counts](crate::wasm::ALLOCATIONS).
    pub allocations: Option<u64>,
    /// The same, from its start to this request.
    pub allocations_before: Option<u64>,
    /// The module's memory after the request, in pages of 64 KiB, where the engine knows it.
    pub memory_pages: Option<u64>,
}

/// A step of a talk that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Its number, counting every `send`, `receive` and `end`.
    pub step: usize,
    /// What it waited for.
    pub wanted: String,
    /// What came.
    pub came: String,
}

/// The answer that a client got.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers in order, without pseudo-headers; names in lower case.
    pub headers: Vec<Header>,
    /// The body, as far as it came.
    pub body: ByteString,
    /// Trailers in order.
    pub trailers: Vec<Header>,
    /// Whether the answer came to its end; the cause where it did not.
    pub cut_off: Option<String>,
}

/// A complete request that the upstream saw.
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

/// A call of the plug-in's own, as the service saw it.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The service's cluster.
    pub cluster: String,
    /// The complete request; a gRPC message is its body.
    pub request: UpstreamRequest,
}

/// One message of the plug-in, or of the host about it.
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
