//! A request passing through the filter, and its response.

use super::Plugin;
use super::half::Half;
use super::maps::{Kind, Map};
use super::mock::{REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use super::reply::{LocalReply, is_head};
use super::sanitized::{consumed, is_token, over_http1, request_map, trailer_map};
use crate::ByteString;
use crate::exchange::{Protocol, Request, Upstream};
use crate::outcome::{Answer, Outcome, UpstreamRequest};

/// The maximum length of a held body over HTTP/2: the default stream window, regardless of the connection's buffer limit.
const STREAM_WINDOW: usize = 16 * 1024 * 1024;

/// The details in the access log if a plug-in closes the stream.
const CLOSED: &str = "wasm_close_stream";

/// A stream: one context of the plug-in.
pub(super) struct Stream<'a> {
    plugin: Plugin<'a>,
    root: u32,
    request: &'a Request,
    upstream: &'a Upstream,
    up: Half,
    down: Half,
    phase: Phase,
    /// The response is the gateway's own.
    replied: bool,
    outcome: Outcome,
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request is in progress.
    Request,
    /// The upstream has received all of it, and has not begun to respond.
    Upstream,
    /// The response is in progress, the upstream's or the gateway's own.
    Response,
    /// It has ended.
    Done,
}

impl<'a> Stream<'a> {
    /// A new stream of this root.
    pub(super) fn new(plugin: Plugin<'a>, root: u32, request: &'a Request, upstream: &'a Upstream) -> Self {
        let limit = match request.protocol {
            Protocol::Http1 => {
                usize::try_from(plugin.host.borrow().gateway().buffer_limit).unwrap_or(usize::MAX)
            }
            Protocol::Http2 => STREAM_WINDOW,
        };
        plugin.host.borrow_mut().open_stream(plugin.id, request, protocol(request));
        Self {
            plugin,
            root,
            request,
            upstream,
            up: Half::request(limit),
            down: Half::response(limit),
            phase: Phase::Request,
            replied: false,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn root(&self) -> u32 {
        self.root
    }

    pub(super) fn context(&self) -> u32 {
        self.plugin.id
    }

    /// The headers of the request.
    pub(super) fn request_headers(&mut self) {
        let request = self.request;
        let headers = request_map(request);
        if request.is_upgrade()
            && request.upgrade_type().is_some_and(|to| !to.eq_ignore_ascii_case(b"websocket"))
            && has_route(&headers)
        {
            // Before any plug-in.
            let reply = LocalReply::upgrade_failed();
            self.outcome.details = reply.details();
            self.outcome.answer = Some(reply.answer(request));
            self.phase = Phase::Done;
            return;
        }
        self.up.headers(&self.plugin, headers, request.ends_with_headers());
        self.settle();
    }

    /// Whether the rest of the request still passes through the plug-in: the upstream may have begun to respond.
    fn takes_request(&self) -> bool {
        match self.phase {
            Phase::Request => true,
            Phase::Upstream | Phase::Response => !self.replied && !self.up.is_done(),
            Phase::Done => false,
        }
    }

    /// A piece of the request's body, unless a response was sent before.
    pub(super) fn request_piece(&mut self, piece: &[u8], ends: bool) {
        if self.takes_request() {
            self.up.data(&self.plugin, piece, ends);
            self.settle();
        }
    }

    /// The end of the request, separate from its last piece.
    pub(super) fn request_end(&mut self) {
        if self.takes_request() {
            match &*self.request.trailers {
                [] => self.up.data(&self.plugin, &[], true),
                _ => self.up.trailers(&self.plugin, trailer_map(self.request)),
            }
            self.settle();
        }
    }

    /// The whole request.
    pub(super) fn whole_request(&mut self) {
        let request = self.request;
        self.request_headers();
        let mut pieces = request.pieces();
        if let Some(pieces_sent) = request.reset_after {
            pieces.truncate(pieces_sent);
            pieces.into_iter().for_each(|piece| self.request_piece(piece, false));
            return self.client_goes_away();
        }
        let last = pieces.len();
        let apart = request.ends_apart();
        for (index, piece) in pieces.into_iter().enumerate() {
            self.request_piece(piece, !apart && index + 1 == last);
        }
        if !request.ends_with_headers() && (apart || last == 0) {
            self.request_end();
        }
    }

    /// The client disconnects, which ends the stream.
    pub(super) fn client_goes_away(&mut self) {
        if self.phase != Phase::Done {
            self.outcome.details = None;
            self.phase = Phase::Done;
        }
    }

    /// The headers of the upstream's response.
    pub(super) fn response_headers(&mut self) {
        let upstream = self.upstream;
        if upstream.closed {
            self.reply(&LocalReply::connection_termination());
            self.settle();
            return;
        }
        let http2 = self.plugin.host.borrow().gateway().upstream_protocol == Protocol::Http2;
        let to_head = is_head(self.request);
        let mut headers = Map::of(Kind::Response);
        let mut ends = to_head || upstream.ends_with_headers();
        let upgrade = self.request.upgrade_type().filter(|_| self.request.is_upgrade());
        match upgrade {
            Some(to) if upstream.echo => {
                headers.add(b":status", b"101");
                headers.extend(&upstream.headers);
                headers.add(b"upgrade", &to);
                headers.add(b"connection", if http2 { b"upgrade" } else { b"Upgrade" });
                ends = false;
            }
            Some(_) if (200..300).contains(&upstream.status) && !http2 => {
                // Envoy drops a response that accepts the request but not the upgrade.
                headers.add(b":status", upstream.status.to_string().as_bytes());
                headers.extend(&upstream.headers);
                headers.remove(b"content-length");
                self.outcome.details = Some("websocket_handshake_unsuccessful".into());
                ends = true;
            }
            _ => {
                headers.add(b":status", upstream.status.to_string().as_bytes());
                headers.extend(&upstream.headers);
                let without_body = to_head || matches!(upstream.status, 204 | 304);
                let declared = headers.get(b"content-length").is_some();
                if !without_body && upstream.is_chunked() {
                    if !http2 {
                        headers.add(b"transfer-encoding", b"chunked");
                    }
                } else if !without_body && !declared {
                    headers.add(b"content-length", upstream.body.len().to_string().as_bytes());
                }
                ends |= without_body;
            }
        }
        headers.remove(b"keep-alive");
        if self.up.is_done() {
            // If the request has ended, Envoy adds the upstream's time.
            headers.set(b"x-envoy-upstream-service-time", b"0");
        }
        let status = headers.get(b":status").and_then(|status| str::from_utf8(status).ok()?.parse().ok());
        self.note_response(status.unwrap_or_default());
        self.phase = Phase::Response;
        self.down.headers(&self.plugin, headers, ends);
        self.settle();
    }

    /// A piece of the response's body.
    pub(super) fn response_piece(&mut self, piece: &[u8], ends: bool) {
        if self.phase == Phase::Response {
            self.down.data(&self.plugin, piece, ends);
            self.settle();
        }
    }

    /// The end of the response, separate from its last piece.
    pub(super) fn response_end(&mut self) {
        if self.phase == Phase::Response {
            match &*self.upstream.trailers {
                [] => self.down.data(&self.plugin, &[], true),
                trailers => self.down.trailers(&self.plugin, Map::from(trailers)),
            }
            self.settle();
        }
    }

    /// The upstream's whole response.
    pub(super) fn whole_response(&mut self) {
        let upstream = self.upstream;
        self.response_headers();
        if self.down.has_ended() {
            return;
        }
        if upstream.closed {
            return;
        }
        let pieces = upstream.pieces();
        let last = pieces.len();
        // A failed upgrade also ends separately.
        let apart = upstream.is_chunked() || self.request.is_upgrade();
        for (index, piece) in pieces.into_iter().enumerate() {
            self.response_piece(piece, !apart && index + 1 == last);
        }
        if upstream.reset_after.is_some() {
            self.upstream_goes_away();
        } else if apart && !upstream.open {
            self.response_end();
        }
    }

    /// The upstream disconnects during its response.
    pub(super) fn upstream_goes_away(&mut self) {
        if self.phase == Phase::Response {
            self.break_off();
            self.outcome.details = Some("upstream_reset_after_response_started{protocol_error}".into());
        }
    }

    /// Applies the plug-in's decisions about this stream, made in any callback.
    pub(super) fn settle(&mut self) {
        while self.phase != Phase::Done {
            let (reply, closed) = self.plugin.context(|context| (context.reply.take(), context.closed));
            if let Some(reply) = reply {
                self.reply(&reply);
                continue;
            }
            if closed {
                match self.phase {
                    Phase::Response => self.break_off(),
                    _ => self.outcome.details = Some(CLOSED.into()),
                }
                self.phase = Phase::Done;
            } else if self.phase == Phase::Request && self.answers_early() && self.up.has_begun() {
                if !self.refuse_headers() {
                    self.outcome.details = Some("via_upstream".into());
                    self.phase = Phase::Upstream;
                }
            } else if self.up.is_done() && self.phase == Phase::Request {
                if self.refuse_headers() {
                    continue;
                }
                self.outcome.upstream = Some(self.seen_upstream());
                self.outcome.details = Some("via_upstream".into());
                self.phase = Phase::Upstream;
            } else if self.down.is_done() {
                let body = self.down.take_through().into();
                let answer = self.answer_so_far();
                self.outcome.answer = Some(match answer.status {
                    0 => {
                        let reply = LocalReply::without("response", 502, "missing required header: :status");
                        self.outcome.details = reply.details();
                        reply.answer(self.request)
                    }
                    _ => Answer { body, ..answer },
                });
                self.phase = Phase::Done;
            } else if !self.up.resume(&self.plugin) && !self.down.resume(&self.plugin) {
                return;
            }
        }
    }

    /// Whether the upstream responds as soon as it has received the headers.
    fn answers_early(&self) -> bool {
        self.upstream.echo || self.request.is_upgrade()
    }

    /// Responds instead of forwarding headers from which the plug-in has removed a required one, or to which it has added an
    /// invalid one. Returns true if so.
    fn refuse_headers(&mut self) -> bool {
        let refused = self.plugin.context(|context| {
            let headers = context.gone(REQUEST_HEADERS);
            if !has_route(headers) {
                return Some(LocalReply::no_route());
            }
            let method = headers.get(b":method").is_none();
            let method = method.then(|| "missing required header: :method".to_owned());
            let wrong = method.or_else(|| {
                let names = headers.regular().into_iter().map(|(name, _)| name);
                let wrong = names.into_iter().find(|name| !is_token(name))?;
                Some(format!("invalid header name: {}", String::from_utf8_lossy(&wrong)))
            });
            wrong.map(|wrong| LocalReply::without("request", 503, &wrong))
        });
        let Some(reply) = refused else { return false };
        self.reply(&reply);
        true
    }

    /// Sets the properties of a response that has begun.
    fn note_response(&self, status: u16) {
        let details = self.outcome.details.clone().unwrap_or_default();
        self.plugin.context(|context| {
            context.properties.insert(b"response\0code".into(), i64::from(status).to_le_bytes().into());
            context.properties.insert(b"response\0code_details".into(), details.into());
        });
    }

    /// A response of the gateway also passes through the response callbacks.
    fn reply(&mut self, reply: &LocalReply) {
        if self.phase == Phase::Response {
            self.outcome.details = reply.details();
            let begun = self.answer_so_far();
            // If the headers have been sent to the client, only ending the stream is possible.
            self.outcome.answer = Some(if begun.status != 0 {
                let body = self.down.take_through().into();
                // Over HTTP/1.1, only the end of the connection ends the body of a 101.
                let is_framed = begun.status != 101 || self.request.protocol == Protocol::Http2;
                let cut_off = is_framed.then(|| "answered after the headers had gone".into());
                Answer { body, cut_off, ..begun }
            } else {
                reply.answer(self.request)
            });
            self.phase = Phase::Done;
            return;
        }
        self.replied = true;
        self.outcome.details = reply.details();
        let message = reply.message(self.request);
        let mut headers = Map::of(Kind::Response);
        headers.add(b":status", message.status.to_string().as_bytes());
        headers.extend(&message.headers);
        self.note_response(message.status);
        self.phase = Phase::Response;
        self.down.headers(&self.plugin, headers, message.body.is_empty());
        if !message.body.is_empty() && !self.plugin.context(|context| context.is_over()) {
            self.down.data(&self.plugin, &message.body, true);
        }
    }

    /// The answer ends without an end.
    fn break_off(&mut self) {
        let body = self.down.take_through().into();
        let cut_off = Some("the stream was reset".into());
        let begun = self.answer_so_far();
        self.outcome.answer = (begun.status != 0).then_some(Answer { body, cut_off, ..begun });
        self.phase = Phase::Done;
    }

    /// The answer without its body; its status is 0 where its headers have not gone to the client.
    fn answer_so_far(&self) -> Answer {
        self.plugin.context(|context| {
            let headers = context.gone(RESPONSE_HEADERS);
            let status = headers.get(b":status").and_then(|status| str::from_utf8(status).ok()?.parse().ok());
            Answer {
                status: status.unwrap_or_default(),
                headers: headers.regular(),
                trailers: context.gone(RESPONSE_TRAILERS).regular(),
                ..Answer::default()
            }
        })
    }

    /// The request that has gone on to the upstream.
    fn seen_upstream(&mut self) -> UpstreamRequest {
        let body = self.up.take_through().into();
        let http2 = self.plugin.host.borrow().gateway().upstream_protocol == Protocol::Http2;
        let connects = http2 && self.request.is_upgrade();
        let mut request = self.plugin.context(|context| {
            let headers = context.gone(REQUEST_HEADERS);
            let pseudo = |name: &str| ByteString::from(headers.get(name.as_bytes()).unwrap_or_default());
            UpstreamRequest {
                method: pseudo(":method"),
                path: pseudo(":path"),
                host: pseudo(":authority"),
                headers: headers.regular(),
                body,
                trailers: context.gone(REQUEST_TRAILERS).regular(),
            }
        });
        consumed(&mut request.headers);
        if !http2 {
            over_http1(&mut request.headers);
            over_http1(&mut request.trailers);
        }
        if !connects {
            return request;
        }
        let mut request = UpstreamRequest { method: "CONNECT".into(), ..request };
        request.headers.retain(|(name, _)| **name != *b"upgrade" && **name != *b"connection");
        request
    }

    /// Takes the data that the upstream has received.
    pub(super) fn take_arrived(&mut self) -> Vec<u8> {
        self.up.take_through()
    }

    /// Whether the upstream has all of the request.
    pub(super) fn has_arrived(&self) -> bool {
        self.up.is_done()
    }

    /// The body that the client has so far.
    pub(super) fn received(&self) -> &[u8] {
        match &self.outcome.answer {
            Some(answer) => &answer.body,
            None => self.down.through(),
        }
    }

    /// Whether the client has the headers of an answer.
    pub(super) fn has_answer(&self) -> bool {
        self.outcome.answer.is_some() || self.down.has_begun()
    }

    /// The client leaves an open stream with the response so far.
    pub(super) fn leave(&mut self) {
        if self.phase != Phase::Done {
            let body = self.down.take_through().into();
            let begun = self.answer_so_far();
            self.outcome.answer = (begun.status != 0).then_some(Answer { body, ..begun });
            self.outcome.details = None;
            self.phase = Phase::Done;
        }
    }

    /// What became of the stream so far.
    pub(super) fn outcome(&mut self) -> &mut Outcome {
        &mut self.outcome
    }

    /// Records what the upstream has received of an open-ended stream, whose body arrives in chunks.
    pub(super) fn note_upstream(&mut self, body: Vec<u8>) {
        if self.up.has_begun() && !self.replied {
            let request = self.seen_upstream();
            self.outcome.upstream = Some(UpstreamRequest { body: body.into(), ..request });
        }
    }

    /// Ends the stream's context, and returns the outcome of the stream.
    pub(super) fn finish(self) -> Outcome {
        let Self { plugin, request, mut outcome, .. } = self;
        if let Some(answer) = &mut outcome.answer {
            encode(answer, request);
        }
        if let Some(on_log) = plugin.enter().on_log {
            let status = outcome.answer.as_ref().map_or(0, |answer| answer.status);
            let details = outcome.details.clone().unwrap_or_default();
            plugin.context(|context| {
                context.enter_log_phase([REQUEST_HEADERS, RESPONSE_HEADERS]);
                context.properties.insert(b"response\0code".into(), i64::from(status).to_le_bytes().into());
                context.properties.insert(b"response\0code_details".into(), details.into());
            });
            on_log(plugin.id);
        }
        if let Some(on_done) = plugin.enter().on_done {
            on_done(plugin.id);
        }
        (plugin.enter().on_delete)(plugin.id);
        let context = plugin.host.borrow_mut().close_context(plugin.id);
        outcome.closed = context.closed;
        outcome.access_log = context.own_properties;
        outcome.host_calls = Some(context.calls);
        outcome.instructions = Some(context.instructions);
        outcome
    }
}

/// Returns true if Envoy finds the route of all requests for these headers: it looks for none without a path, and for none
/// if it does not know by which protocol the request came.
fn has_route(headers: &Map) -> bool {
    let scheme = headers.get(b"x-forwarded-proto").unwrap_or_default();
    headers.get(b":path").is_some() && !scheme.is_empty()
}

/// What the codec makes of an answer for the client.
fn encode(answer: &mut Answer, request: &Request) {
    if request.protocol == Protocol::Http1 {
        over_http1(&mut answer.headers);
        over_http1(&mut answer.trailers);
    }
    let is = |wanted: &'static str| move |(name, _): &(ByteString, ByteString)| **name == *wanted.as_bytes();
    if is_head(request) {
        answer.body = ByteString::default();
    } else if request.protocol == Protocol::Http1
        && answer.body.is_empty()
        && answer.cut_off.is_none()
        && !matches!(answer.status, 101 | 204 | 304)
        && !answer.headers.iter().any(is("content-length"))
        && !answer.headers.iter().any(is("transfer-encoding"))
    {
        answer.headers.push(("content-length".into(), "0".into()));
    }
    if request.protocol == Protocol::Http2 && request.is_upgrade() && answer.status == 101 {
        answer.status = 200;
        answer.headers.retain(|field| !is("upgrade")(field) && !is("connection")(field));
    }
}

fn protocol(request: &Request) -> &'static str {
    match request.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}
