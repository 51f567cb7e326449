//! The schema of `plugins/<name>/tests/cases.yaml`: what a case may say, and reading it.
//!
//! A file is a list of cases. Each has a configuration and what must come of it: requests with their
//! answers, or a refusal. Every key that is not listed here is an error that names the place.
//!
//! ```yaml
//! cases:
//! - name: a keyword anywhere in the path is blocked   # a sentence, unique in the file
//!   config: { block_urls: [swagger.html] }            # the plug-in's document; absent: no configuration at all
//!   requests:                                         # in order, each on a connection of its own
//!   - path: /a/swagger.html?q
//!     expect: { status: 403, body: "", upstream: none, details: request-block.url_blocked }
//!   - path: /
//!     expect: { status: 200 }
//!
//! - name: an empty pattern is refused
//!   config: { block_urls: [""] }
//!   refused: "block_urls[0]: must not be empty"       # in the plug-in's log; a list: every one of them
//! ```
//!
//! # A case
//!
//! | key | meaning |
//! |---|---|
//! | `name` | a sentence, unique in the file |
//! | `config` | the plug-in's document, in YAML; its keys keep their order. Absent: no configuration at all |
//! | `config_text` | instead: the configuration's [bytes](crate::ByteString) as they are (UTF-8), for malformed documents |
//! | `resource` | instead: a `WasmPlugin` resource, turned into the document as the control plane does |
//! | `refused` | text, or a list: the configuration must be refused, and the log must hold all of it |
//! | `requests` | instead of `refused`: a list of requests, and of [other configurations](#another-configuration) |
//! | `interleave` | what happens to the requests that have a `name`, which are open at once: see [below](#requests-at-once) |
//! | `gateway` | how the gateway is set up, see [`Gateway`] |
//! | `upstream` | what the upstream answers: `status` (200), `headers`, `body` (`upstream`), `trailers`; `chunks` cuts the body as those of a request do; `reset_after: 1`: it goes away after so many pieces; `echo: true` and `open: true`: see [streams without an end](#streams-without-an-end) |
//! | `services` | what the plug-in can call, see [`Service`] |
//! | `skip` | `{ envoy: why }`: an engine on which the case cannot hold, with the reason |
//!
//! # `gateway`
//!
//! | key | meaning |
//! |---|---|
//! | `route` | the route's name (`default`) |
//! | `cluster` | its cluster's name (`outbound\|80\|\|upstream.default.svc.cluster.local`) |
//! | `upstream_protocol` | what the upstream speaks: `http1` (the default), or `http2`, as gRPC services do |
//! | `buffer_limit` | how many bytes of a body the gateway holds (1048576). Over HTTP/2 Envoy 1.40 holds the stream's window instead, 16 MiB |
//! | `names` | `stock`, or `higress` for the short property names, which stock Envoy does not have: skip it |
//! | `hold_headers` | whether headers can be held while the body comes (false). With `names: higress` the engine `wasm` runs the module as `cargo xtask build --gateway higress` makes it |
//! | `fails` | `{ proxy_get_property: 10 }`: host calls that fail with a status of the ABI; Envoy's do not: skip it |
//! | `workers` | how many workers the gateway has, each with a VM of its own (1); requests go to them in turn |
//! | `log_level` | `trace`, `debug`, `info` (the default), `warn`, `error` or `critical` |
//!
//! Cases whose configuration and gateway are equal may share one gateway, so what a plug-in remembers from one
//! request to the next can reach from case to case; counters are counted from the start of each.
//!
//! # `services`
//!
//! A list; each entry is a cluster of the gateway with a service behind it. A call to any other cluster is refused.
//!
//! | key | meaning |
//! |---|---|
//! | `cluster` | its name, as the plug-in calls it: `outbound\|8080\|\|auth.default.svc.cluster.local` |
//! | `answer` | `{ status (200), headers, body, trailers }`; `none`: it takes the call and never answers; `closed`: nobody listens |
//! | `delay` | how many milliseconds it takes to answer (0) |
//! | `protocol` | `http1`, or `grpc`: `body` is then a message, and `grpc-status: 0` is added to the trailers unless one is written |
//!
//! Natively answers come in the order of their delays and no time passes. A case should not depend on
//! whether an answer without a delay comes before or after the rest of a body.
//!
//! # A request
//!
//! ```yaml
//! - method: POST              # GET
//!   path: /upload             # /
//!   host: example.com         # example.com
//!   headers: [[x-a, "1"], [x-a, {escaped: '\xff'}]]     # in order, repeats allowed
//!   body: [{repeat: ab, times: 1000}, end]              # absent: no body
//!   chunks: [3, 1, 100]       # the body's pieces in bytes, the rest in one more; or { each: 1 }
//!   trailers: [[checksum, abc]]
//!   protocol: http2           # http1
//!   reset_after: 2            # the client goes away after that many pieces; 0: after the headers
//!   reset_when_called: 1      # the client goes away once the services have seen so many calls of this request
//!   upstream: { body: other }  # instead of the case's
//!   services: [{ cluster: c, answer: none }]  # instead of those of the case with the same clusters
//!   time: 59.5                # the gateway's clock, in seconds after the case began (0, then as before)
//!   repeat: 3                 # sent three times (1); counters are looked at after the last
//!   expect: { … }
//! - repeat: 300
//!   connections: 8            # at once over so many connections, which the workers share
//!   answers: { 200: 100, 429: 200 }     # instead of `expect`: how many answers of which status
//! ```
//!
//! A method, a path, a host, a header's name and value, and a body are [bytes](crate::ByteString). Envoy lets
//! any byte from 0x80 on through in a header's value, and answers 400 itself to one in a path.
//! Without `chunks`, a body goes out in one piece, and HTTP/1.1 declares its Content-Length; with `chunks`
//! or trailers HTTP/1.1 uses the chunked coding, one chunk to a piece, and HTTP/2 one DATA frame to a piece.
//! A `content-length` among the headers goes out as it is, and then the pieces are not chunk-coded. A client
//! that goes away (`reset_after`) never sends the end of its body. Only the native engine's clock can be set, back too, so
//! a case with a `time` skips the others.
//!
//! # Streams without an end
//!
//! A WebSocket, a gRPC call of any shape and server-sent events that stay open are requests with a `talk`: what the client
//! sends and receives, step by step. A step that receives waits until the bytes have come, and neither side has ended
//! meanwhile, so a plug-in that holds what it is shown fails the case with the step where it stopped.
//!
//! ```yaml
//! - path: /chat
//!   upgrade: websocket          # the headers of the handshake; over HTTP/2 an extended CONNECT (RFC 8441)
//!   upstream: { echo: true }    # accepts the upgrade, and sends back what it gets, byte for byte
//!   talk:
//!   - { send: { masked: hello }, receive: { masked: hello } }
//!   - { send: { masked: again }, receive: { masked: again } }
//!   expect: { status: 101, upstream: { body: [{ masked: hello }, { masked: again }] } }
//! - path: /echo.Echo/Bidi       # with `gateway: { upstream_protocol: http2 }`
//!   method: POST
//!   protocol: http2
//!   headers: [[content-type, application/grpc], [te, trailers]]
//!   upstream: { headers: [[content-type, application/grpc]], echo: true, trailers: [[grpc-status, "0"]] }
//!   talk: [{ send: { grpc: a }, receive: { grpc: a } }, { send: { grpc: b }, receive: { grpc: b } }, end]
//!   expect: { status: 200, trailers: { grpc-status: "0" } }
//! - path: /events
//!   upstream: { headers: [[content-type, text/event-stream]], body: "data: a\n\n", open: true }
//!   talk: [{ receive: "data: a\n\n" }]
//!   expect: { status: 200 }
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `upgrade` | `websocket`: the request asks for it. Headers that ask for it over HTTP/1.1 do the same: what follows the headers has no end then, whatever else they say, and reaches the upstream only if it accepts the upgrade |
//! | `talk` | a list of steps: `{ send: …, receive: … }`, one of the two, or `end`. Each `send` is one piece. After `end` the client waits for the end of the answer; a talk without it ends when the client goes away, or, with `cut_off`, when the answer breaks off |
//! | `upstream.echo` | the upstream answers as soon as it has the headers, 101 where they ask for an upgrade, and sends back each piece; its answer ends, with its `trailers`, when the request does |
//! | `upstream.open` | the upstream's answer does not end after its `body` |
//!
//! A talk that begins with `receive` and sends nothing is a request without a body. `expect.upstream` is the request as far
//! as it came, and `expect.body` what the client received in all. Over HTTP/2 an upgrade is answered with 200, not 101.
//!
//! # Requests at once
//!
//! Requests with a `name` are open at once in one VM, and their parts arrive in the order of `interleave`:
//!
//! ```yaml
//! requests:
//! - { name: a, method: POST, path: /a, body: abcdef, chunks: [3], expect: { upstream: none } }
//! - { name: b, path: /b, expect: { status: 200 } }
//! services: [{ cluster: auth }]
//! interleave: [a.headers, b.headers, a.body[0], service.auth[0], b.response.headers, b.response.body[0], a.reset]
//! ```
//!
//! | event | what happens |
//! |---|---|
//! | `a.headers` | the headers of `a` arrive |
//! | `a.body[0]` | the first piece of its body, as `chunks` cuts it |
//! | `a.end` | its end, with its trailers. Written, it comes apart from the last piece, and HTTP/1.1 frames the body by the chunked coding; not written, the last piece is the end |
//! | `a.reset` | its client goes away; what follows of `a` is not written |
//! | `a.response.headers`, `a.response.body[0]`, `a.response.end` | the parts of the upstream's answer, likewise. Where none is written, the upstream answers as soon as it has the request |
//! | `service.c[0]` | the service of the cluster `c` answers the first call that it has seen. Where none of `c` is written, it answers at once |
//! | `{ then_config: {…} }` | the gateway gets [another configuration](#another-configuration) |
//!
//! Each part of a request is written once and in its turn. What is still open after the last event comes to its end by
//! itself. Requests without a name that stand before or after those with one are sent by themselves, before or after them.
//! `log` and `counters` are those of all requests together, `calls`, `details` and `host_calls` those of each.
//!
//! # Another configuration
//!
//! `{ then_config: { … } }` among the `requests`, or among the events of `interleave`, is the plug-in's configuration from
//! then on. As in Envoy it gets a root context of its own in the same VM, and a request that has begun keeps the one that it
//! began with. `then_config_text` is instead a configuration as it is, as `config_text`. With `refused` beside it, a text or a
//! list, it must be refused, and what was in force stays:
//!
//! ```yaml
//! requests:
//! - { path: /a, expect: { status: 403 } }
//! - { then_config: { block_urls: [""] }, refused: must not be empty }
//! - { path: /a, expect: { status: 403 } }
//! - { then_config: { block_urls: [b] } }
//! - { path: /a, expect: { status: 200 } }
//! ```
//!
//! # `expect`
//!
//! | key | meaning |
//! |---|---|
//! | `status` | the answer's status; needed, unless the client resets |
//! | `headers` | `{ name: value }`: there exactly once, with that value; `name: null`: absent; `name: { all: [a, b] }`: exactly these values, in order |
//! | `headers_exact` | `[[name, value], …]`: these and no others, in order, with duplicates. What the same gateway adds without any plug-in is left out, and where a body ends (`content-length`, `transfer-encoding`) is compared only where it is written |
//! | `body`, `body_contains` | the answer's whole body; bytes somewhere in it |
//! | `trailers` | as `headers` |
//! | `closed` | `true`: instead of a status: the stream is closed without an answer |
//! | `cut_off` | `true`: the answer's body breaks off before its end, as when the upstream goes away |
//! | `upstream` | `none`: the upstream saw no complete request; or `{ method, path, host, headers, headers_exact, body, body_contains, trailers }` of the request it saw |
//! | `calls` | a list of what the services saw, in the order in which it came: `{ cluster, method, path, host, headers, body, … }`; `[]`: nothing |
//! | `details` | the response-code details |
//! | `log`, `log_absent` | text, or a list: each in a line that the plug-in logged during the request; in none |
//! | `counters` | `{ name: value }` after the request, counted from the start of the case; one that is not there counts as 0 |
//! | `host_calls` | the plug-in's host calls during the request, all callbacks together, on engines that count them (not Envoy) |
//!
//! What is not written is not looked at.

mod error;
mod expect;
mod gateway;
mod interleave;
mod load;
mod request;
mod service;
mod stage;
mod talk;
mod written;

pub use self::expect::{CallExpect, Expect, HeaderName, UpstreamExpect, UpstreamRequestExpect, Values};
pub use self::gateway::{Gateway, PropertyNames, Upstream};
pub use self::interleave::{Change, Event, Happening, Order, Step};
pub(crate) use self::interleave::{request_steps, response_steps};
pub use self::load::{LoadError, load};
pub use self::request::{Chunks, Each, Framing, Header, Protocol, Request, Time};
pub(crate) use self::service::of_cluster;
pub use self::service::{Service, ServiceAnswer, ServiceProtocol};
pub use self::talk::TalkStep;
pub use ::gateway::LogLevel;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::EngineName;

/// One case: a configuration, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "written::WrittenCase")]
pub struct Case {
    /// A sentence, unique in its file.
    pub name: String,
    /// What the gateway is started with.
    pub setup: Setup,
    /// What the upstream answers.
    pub upstream: Upstream,
    /// Engines on which the case cannot hold, with the reason.
    pub skip: BTreeMap<EngineName, String>,
    /// What must come of it.
    pub then: Then,
    /// In which order its requests go out, by their place in [`Then::Requests`].
    pub stages: Vec<Stage>,
}

/// A part of a case that is over before the next begins.
#[derive(Debug, Clone)]
pub enum Stage {
    /// A request by itself.
    Request(usize),
    /// Requests that are open at once; none where only the configuration changes.
    Interleave {
        /// The requests.
        requests: Vec<usize>,
        /// What happens to them, in this order.
        events: Vec<Event>,
    },
}

impl Stage {
    /// Whether an event of it has the client of this request go away.
    fn resets(&self, request: usize) -> bool {
        let Self::Interleave { requests, events } = self else { return false };
        let place = requests.iter().position(|place| *place == request);
        place.is_some_and(|place| events.iter().any(|event| event.step_of(place) == Some(Step::Reset)))
    }
}

/// What a gateway is started with: cases with equal setups may share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Setup {
    /// The configuration as the plug-in gets it; none at all is not the same as an empty one.
    pub configuration: Option<String>,
    /// The gateway around the plug-in.
    pub gateway: Gateway,
    /// The clusters of the services that it can call.
    pub services: Vec<ServiceCluster>,
}

/// The cluster of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceCluster {
    /// Its name.
    pub name: String,
    /// What the service speaks.
    pub protocol: ServiceProtocol,
}

/// What must come of a configuration.
#[derive(Debug, Clone)]
pub enum Then {
    /// It is refused, and the log holds each of these texts.
    Refused(Vec<String>),
    /// It serves these requests, in order.
    Requests(Vec<Request>),
}
