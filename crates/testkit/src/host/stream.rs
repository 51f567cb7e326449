//! One request on its way through the filter, and its answer on the way back.

use super::Plugin;
use super::half::Half;
use super::maps::Map;
use super::mock::{REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use super::reply::{LocalReply, is_head};
use crate::ByteString;
use crate::case::{Protocol, Request, Upstream};
use crate::outcome::{Answer, Outcome, UpstreamRequest};

/// How much of a body Envoy holds over HTTP/2: its default for a stream's window, whatever the limit of the
/// connection's buffers is.
const STREAM_WINDOW: usize = 16 * 1024 * 1024;

/// What the access log says of a request whose stream a plug-in closes.
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
    outcome: Outcome,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request is on its way.
    Request,
    /// The upstream has all of it, and has not begun to answer.
    Upstream,
    /// The answer is on its way, the upstream's or the gateway's own.
    Response,
    /// It is over.
    Done,
}

impl<'a> Stream<'a> {
    /// A stream that begins, under this root.
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
            down: Half::response(),
            phase: Phase::Request,
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
        let mut headers = Map::default();
        for (name, value) in [
            (":authority", &*request.host),
            (":path", &*request.path),
            (":method", &*request.method),
            (":scheme", b"http"),
        ] {
            headers.add(name.as_bytes(), value);
        }
        headers.extend(&request.headers);
        if let Some((name, value)) = request.framing_header() {
            headers.add(name.as_bytes(), value.as_bytes());
        }
        // Envoy's own additions, which a plug-in sees too.
        headers.add(b"x-forwarded-proto", b"http");
        headers.add(b"x-request-id", b"00000000-0000-4000-8000-000000000000");
        self.up.headers(&self.plugin, headers, request.ends_with_headers());
        self.settle();
    }

    /// A piece of the request's body, unless the request was answered before.
    pub(super) fn request_piece(&mut self, piece: &[u8], ends: bool) {
        if self.phase == Phase::Request {
            self.up.data(&self.plugin, piece, ends);
            self.settle();
        }
    }

    /// The end of the request, apart from its last piece.
    pub(super) fn request_end(&mut self) {
        if self.phase == Phase::Request {
            match &*self.request.trailers {
                [] => self.up.data(&self.plugin, &[], true),
                trailers => self.up.trailers(&self.plugin, Map::from(trailers)),
            }
            self.settle();
        }
    }

    /// All of the request that its client sends.
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

    /// The client goes away, and with it the stream.
    pub(super) fn client_goes_away(&mut self) {
        if self.phase != Phase::Done {
            self.outcome.details = None;
            self.phase = Phase::Done;
        }
    }

    /// The headers of the upstream's answer.
    pub(super) fn response_headers(&mut self) {
        let upstream = self.upstream;
        let mut headers = Map::default();
        headers.add(b":status", upstream.status.to_string().as_bytes());
        headers.extend(&upstream.headers);
        if upstream.is_chunked() {
            headers.add(b"transfer-encoding", b"chunked");
        } else {
            headers.add(b"content-length", upstream.body.len().to_string().as_bytes());
        }
        let ends = is_head(self.request) || upstream.ends_with_headers();
        self.phase = Phase::Response;
        self.down.headers(&self.plugin, headers, ends);
        self.settle();
    }

    /// A piece of the answer's body.
    pub(super) fn response_piece(&mut self, piece: &[u8], ends: bool) {
        if self.phase == Phase::Response {
            self.down.data(&self.plugin, piece, ends);
            self.settle();
        }
    }

    /// The end of the answer, apart from its last piece.
    pub(super) fn response_end(&mut self) {
        if self.phase == Phase::Response {
            match &*self.upstream.trailers {
                [] => self.down.data(&self.plugin, &[], true),
                trailers => self.down.trailers(&self.plugin, Map::from(trailers)),
            }
            self.settle();
        }
    }

    /// All of the upstream's answer.
    pub(super) fn whole_response(&mut self) {
        let upstream = self.upstream;
        self.response_headers();
        if is_head(self.request) {
            return;
        }
        let pieces = upstream.pieces();
        let last = pieces.len();
        let apart = upstream.is_chunked();
        for (index, piece) in pieces.into_iter().enumerate() {
            self.response_piece(piece, !apart && index + 1 == last);
        }
        if upstream.reset_after.is_some() {
            self.upstream_goes_away();
        } else if apart {
            self.response_end();
        }
    }

    /// The upstream goes away in the middle of its answer.
    pub(super) fn upstream_goes_away(&mut self) {
        if self.phase == Phase::Response {
            self.break_off();
        }
    }

    /// Carries out what the plug-in has said of this stream, in whichever callback.
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
            } else if self.up.is_done() && self.phase == Phase::Request {
                self.outcome.upstream = Some(self.seen_upstream());
                self.outcome.details = Some("via_upstream".into());
                self.phase = Phase::Upstream;
            } else if self.down.is_done() {
                let body = self.down.take_through().into();
                self.outcome.answer = Some(Answer { body, ..self.answer_so_far() });
                self.phase = Phase::Done;
            } else if !self.up.resume(&self.plugin) && !self.down.resume(&self.plugin) {
                return;
            }
        }
    }

    /// An answer of the gateway's side also goes through the response callbacks.
    fn reply(&mut self, reply: &LocalReply) {
        let answer = reply.answer(self.request);
        if self.phase == Phase::Response {
            // The headers have gone to the client, so all that is left is to end the stream.
            let begun = self.answer_so_far();
            self.outcome.answer = Some(if begun.status != 0 {
                Answer { cut_off: Some("answered after the headers had gone".into()), ..begun }
            } else {
                self.outcome.details = reply.details();
                answer
            });
            self.phase = Phase::Done;
            return;
        }
        self.outcome.details = reply.details();
        let mut headers = Map::default();
        headers.add(b":status", answer.status.to_string().as_bytes());
        headers.extend(&answer.headers);
        self.phase = Phase::Response;
        self.down.headers(&self.plugin, headers, answer.body.is_empty());
        if !answer.body.is_empty() && !self.plugin.context(|context| context.is_over()) {
            self.down.data(&self.plugin, &answer.body, true);
        }
    }

    /// The answer ends without an end.
    fn break_off(&mut self) {
        let body = self.down.take_through().into();
        let cut_off = Some("the stream has broken off".into());
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
        self.plugin.context(|context| {
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
        })
    }

    /// Ends the stream's context, and gives what is known of the stream itself.
    pub(super) fn finish(self) -> Outcome {
        let Self { plugin, request, mut outcome, .. } = self;
        if let (b"HEAD", Some(answer)) = (&*request.method, &mut outcome.answer) {
            answer.body = ByteString::default();
        }
        if let Some(on_done) = plugin.enter().on_done {
            on_done(plugin.id);
        }
        (plugin.enter().on_delete)(plugin.id);
        let context = plugin.host.borrow_mut().close_context(plugin.id);
        outcome.closed = context.closed;
        outcome.host_calls = Some(context.calls);
        outcome.instructions = Some(context.instructions);
        outcome
    }
}

fn protocol(request: &Request) -> &'static str {
    match request.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}
