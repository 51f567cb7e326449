//! One request on its way through the filter, as Envoy moves it: head, body, trailers, and back.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use sdk::native::Entry;

use super::maps::Map;
use super::mock::{Body, MockHost, REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use super::reply::{LocalReply, is_head};
use crate::ByteString;
use crate::case::{Header, Protocol, Request, Upstream};
use crate::outcome::{Answer, Outcome, UpstreamRequest};

/// What a callback returns to let a message go on.
const CONTINUE: u32 = 0;

/// What a callback returns, from here on, to stop everything where headers can be held: Envoy's
/// `FilterHeadersStatus`, which Higress's SDKs use.
const STOP_ALL: u32 = 3;

/// How much of a body Envoy holds over HTTP/2: its default for a stream's window, whatever the limit of the
/// connection's buffers is.
const STREAM_WINDOW: usize = 16 * 1024 * 1024;

/// What the access log says of a request whose stream a plug-in closes.
const CLOSED: &str = "wasm_close_stream";

/// A stream: one context of the plug-in.
pub(super) struct Stream<'a> {
    pub(super) entry: &'a Entry,
    pub(super) host: &'a Rc<RefCell<MockHost>>,
    pub(super) root: u32,
    pub(super) context: u32,
}

/// How a message came through the filter.
pub(super) enum Passed {
    /// Whole, with its body as the filter left it.
    Through(Vec<u8>),
    /// Somebody answered instead.
    Answered(LocalReply),
    /// It waits, and no answer is left to come that could wake it.
    Stuck,
    /// Its sender has gone away, after this had gone on of the body.
    Reset(Vec<u8>),
    /// The plug-in has closed the stream, likewise.
    Closed(Vec<u8>),
}

/// One direction of a stream, in the host's numbers and the plug-in's callbacks.
pub(super) struct Direction {
    pub(super) stream: u32,
    headers: usize,
    trailers: usize,
    body: Body,
    on_headers: Option<fn(u32, usize, bool) -> u32>,
    on_body: Option<fn(u32, usize, bool) -> u32>,
    on_trailers: Option<fn(u32, usize) -> u32>,
}

/// A message as it arrives.
pub(super) struct Message<'m> {
    headers: Map,
    pieces: Vec<&'m [u8]>,
    /// The end is told apart from the last piece, as the chunked coding does.
    end_apart: bool,
    ends_with_headers: bool,
    trailers: &'m [Header],
    /// Ends without an end after so many pieces.
    pub(super) reset_after: Option<usize>,
    /// Ends once the services have seen so many calls.
    pub(super) reset_when_called: Option<usize>,
    /// A body that the gateway has to hold may have so many bytes; a larger one never arrives at once.
    limit: usize,
}

impl Stream<'_> {
    pub(super) fn host(&self) -> RefMut<'_, MockHost> {
        self.host.borrow_mut()
    }

    /// Sends a request through, and the answer back.
    pub(super) fn exchange(&self, request: &Request, upstream: &Upstream) -> Outcome {
        let calls_before = self.host().calls;
        let before = self.host().usage.unwrap_or_default();
        self.host().begin_stream(&request.services);
        if let Some(time) = request.time {
            let ticks = self.host().set_clock(time.nanoseconds());
            if let Some(on_tick) = self.entry.on_tick {
                (0..ticks).for_each(|_| on_tick(self.root));
            }
        }
        self.tell_of_queues();
        self.host().set_properties(&request.host, protocol(request));
        let passed = self.request(request);
        let mut outcome = Outcome::default();
        match passed {
            Passed::Through(body) => {
                outcome.upstream = Some(self.seen_upstream(body));
                outcome.details = Some("via_upstream".into());
                self.response(request, upstream_message(request, upstream), &mut outcome);
            }
            Passed::Answered(reply) => self.reply(request, &reply, &mut outcome),
            Passed::Closed(_) => outcome.details = Some(CLOSED.into()),
            Passed::Stuck | Passed::Reset(_) => {}
        }
        if let (b"HEAD", Some(answer)) = (&*request.method, &mut outcome.answer) {
            answer.body = ByteString::default();
        }
        if let Some(on_done) = self.entry.on_done {
            on_done(self.context);
        }
        (self.entry.on_delete)(self.context);
        self.tell_of_queues();
        outcome.left = self.entry.live.map(|live| live());
        let mut host = self.host();
        outcome.calls = std::mem::take(&mut host.outgoing.seen);
        outcome.log = std::mem::take(&mut host.log);
        outcome.counters = host.counters();
        outcome.closed = host.closed;
        outcome.called = host.called.clone();
        outcome.host_calls = Some(host.calls - calls_before);
        outcome.instructions = host.usage.map(|usage| usage.instructions - before.instructions);
        outcome.instructions_before = host.usage.map(|_| before.instructions);
        outcome.allocations = host.usage.and_then(|usage| Some(usage.allocations? - before.allocations?));
        outcome.allocations_before = before.allocations;
        outcome.memory_pages = host.usage.map(|usage| usage.memory);
        outcome
    }

    /// Entries of shared queues are told between requests.
    fn tell_of_queues(&self) {
        let ready = self.host().take_ready();
        if let Some(on_queue_ready) = self.entry.on_queue_ready {
            ready.into_iter().for_each(|queue| on_queue_ready(self.root, queue));
        }
    }

    fn request(&self, request: &Request) -> Passed {
        let direction = Direction {
            stream: 0,
            headers: REQUEST_HEADERS,
            trailers: REQUEST_TRAILERS,
            body: Body::Request,
            on_headers: self.entry.on_request_headers,
            on_body: self.entry.on_request_body,
            on_trailers: self.entry.on_request_trailers,
        };
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
        let message = Message {
            headers,
            pieces: request.pieces(),
            end_apart: request.protocol == Protocol::Http1 && request.chunks.is_some(),
            ends_with_headers: request.ends_with_headers(),
            trailers: &request.trailers,
            reset_after: request.reset_after,
            reset_when_called: request.reset_when_called,
            limit: match request.protocol {
                Protocol::Http1 => usize::try_from(self.host().gateway().buffer_limit).unwrap_or(usize::MAX),
                Protocol::Http2 => STREAM_WINDOW,
            },
        };
        self.pass(&direction, message)
    }

    /// The request that has gone on to the upstream.
    fn seen_upstream(&self, body: Vec<u8>) -> UpstreamRequest {
        let host = self.host();
        let head = host.gone(REQUEST_HEADERS);
        let pseudo = |name: &str| ByteString::from(head.get(name.as_bytes()).unwrap_or_default());
        UpstreamRequest {
            method: pseudo(":method"),
            path: pseudo(":path"),
            host: pseudo(":authority"),
            headers: head.regular(),
            body: body.into(),
            trailers: host.gone(REQUEST_TRAILERS).regular(),
        }
    }

    /// Sends a response through to the client.
    fn response(&self, request: &Request, message: Message<'_>, outcome: &mut Outcome) {
        let direction = Direction {
            stream: 1,
            headers: RESPONSE_HEADERS,
            trailers: RESPONSE_TRAILERS,
            body: Body::Response,
            on_headers: self.entry.on_response_headers,
            on_body: self.entry.on_response_body,
            on_trailers: self.entry.on_response_trailers,
        };
        let passed = self.pass(&direction, message);
        let host = self.host();
        let head = host.gone(RESPONSE_HEADERS);
        let status = |head: &Map| {
            let status = head.get(b":status").and_then(|status| str::from_utf8(status).ok());
            status.and_then(|status| status.parse().ok()).unwrap_or_default()
        };
        let answer = Answer {
            status: status(head),
            headers: head.regular(),
            body: ByteString::default(),
            trailers: host.gone(RESPONSE_TRAILERS).regular(),
            cut_off: None,
        };
        outcome.answer = match passed {
            Passed::Through(body) => Some(Answer { body: body.into(), ..answer }),
            // The head has gone to the client, so all that is left is to end the stream.
            Passed::Answered(_) if status(head) != 0 => {
                Some(Answer { cut_off: Some("answered after the head had gone".into()), ..answer })
            }
            Passed::Answered(reply) => {
                drop(host);
                outcome.details = reply.details();
                Some(reply.answer(request))
            }
            // The upstream has gone away, or the stream was closed, and with it the client's.
            Passed::Reset(body) | Passed::Closed(body) if status(head) != 0 => Some(Answer {
                body: body.into(),
                cut_off: Some("the stream has broken off".into()),
                ..answer
            }),
            Passed::Stuck | Passed::Reset(_) | Passed::Closed(_) => None,
        };
    }

    /// An answer of the gateway's side also goes through the response callbacks.
    fn reply(&self, request: &Request, reply: &LocalReply, outcome: &mut Outcome) {
        self.host().reply = None;
        outcome.details = reply.details();
        let answer = reply.answer(request);
        let mut headers = Map::default();
        headers.add(b":status", answer.status.to_string().as_bytes());
        headers.extend(&answer.headers);
        let ends_with_headers = answer.body.is_empty();
        let message = Message {
            headers,
            pieces: if ends_with_headers { Vec::new() } else { vec![&*answer.body] },
            end_apart: false,
            ends_with_headers,
            trailers: &[],
            reset_after: None,
            reset_when_called: None,
            limit: usize::MAX,
        };
        self.response(request, message, outcome);
    }

    /// Moves a message through the callbacks of its direction.
    fn pass(&self, direction: &Direction, mut message: Message<'_>) -> Passed {
        // The head.
        let count = message.headers.len();
        self.host().arrive(direction.headers, std::mem::take(&mut message.headers));
        let action = direction
            .on_headers
            .map_or(CONTINUE, |call| call(self.context, count, message.ends_with_headers));
        if let Some(ended) = self.ended() {
            return ended;
        }
        let mut held_head = action != CONTINUE;
        // Until it goes on, nothing that follows reaches the plug-in; then it comes in one.
        let holds = self.host().gateway().hold_headers && action < STOP_ALL;
        let stopped = held_head && (message.ends_with_headers || !holds);
        if stopped {
            if let Some(ended) = self.wait(direction, &message) {
                return ended;
            }
            held_head = false;
        }
        if !held_head {
            self.host().release(direction.headers);
        }

        // The body: what a piece does not let go on is held with those after it.
        let mut body = BodyOnItsWay { limit: message.limit, ..BodyOnItsWay::default() };
        let sent = message.pieces.iter().take(message.reset_after.unwrap_or(usize::MAX));
        let joined: Vec<u8>;
        let sent: Vec<&[u8]> = if stopped {
            joined = sent.copied().collect::<Vec<_>>().concat();
            vec![&joined]
        } else {
            sent.copied().collect()
        };
        let reads = sent.iter().flat_map(|piece| piece.chunks(message.limit.max(1)));
        let mut pieces: Vec<(&[u8], bool)> = reads.map(|piece| (piece, false)).collect();
        if !message.ends_with_headers && message.trailers.is_empty() && message.reset_after.is_none() {
            match pieces.last_mut() {
                Some((_, last)) if stopped || !message.end_apart => *last = true,
                _ => pieces.push((&[], true)),
            }
        }
        for (piece, last) in pieces {
            if let Some(ended) = self.piece(direction, piece, last, &mut body) {
                return ended;
            }
        }
        if message.reset_after.is_some() {
            return Passed::Reset(body.through);
        }

        // The trailers. What is held of the body can still be read.
        if !message.trailers.is_empty() {
            let mut trailers = Map::default();
            trailers.extend(message.trailers);
            let count = trailers.len();
            self.host().arrive(direction.trailers, trailers);
            if body.waits {
                self.host().body_arrives(direction.body, std::mem::take(&mut body.held));
            }
            let action = direction.on_trailers.map_or(CONTINUE, |call| call(self.context, count));
            if let Some(ended) = self.ended() {
                return ended;
            }
            body.held = self.host().take_body(direction.body);
            body.waits = action != CONTINUE;
        }
        if body.waits {
            // Everything has arrived: what is held goes on without another callback.
            self.host().body_arrives(direction.body, std::mem::take(&mut body.held));
            if let Some(ended) = self.wait(direction, &message) {
                return ended;
            }
            body.held = self.host().take_body(direction.body);
        }
        body.through.append(&mut body.held);
        self.host().release(direction.trailers);
        self.host().release(direction.headers);
        Passed::Through(body.through)
    }

    /// What a callback has made of the stream instead of letting it go on or wait.
    pub(super) fn ended(&self) -> Option<Passed> {
        let mut host = self.host();
        match host.reply.take() {
            Some(reply) => Some(Passed::Answered(reply)),
            None => host.closed.then(|| Passed::Closed(Vec::new())),
        }
    }

    /// Moves one piece of a body; an answer is instead of the rest.
    fn piece(
        &self,
        direction: &Direction,
        piece: &[u8],
        last: bool,
        body: &mut BodyOnItsWay,
    ) -> Option<Passed> {
        body.held.extend_from_slice(piece);
        let size = body.held.len();
        let too_large = size > body.limit;
        if body.waits && too_large {
            return Some(Passed::Answered(LocalReply::payload_too_large()));
        }
        self.host().body_arrives(direction.body, std::mem::take(&mut body.held));
        let action = direction.on_body.map_or(CONTINUE, |call| call(self.context, size, last));
        if let Some(ended) = self.ended() {
            return Some(match ended {
                Passed::Closed(_) => Passed::Closed(std::mem::take(&mut body.through)),
                ended => ended,
            });
        }
        body.held = self.host().take_body(direction.body);
        body.waits = action != CONTINUE;
        if !body.waits {
            body.through.append(&mut body.held);
        } else if too_large {
            return Some(Passed::Answered(LocalReply::payload_too_large()));
        }
        None
    }
}

/// What has become of a body so far.
#[derive(Default)]
struct BodyOnItsWay {
    /// See [`Message::limit`].
    limit: usize,
    /// What has gone on.
    through: Vec<u8>,
    /// What the gateway holds.
    held: Vec<u8>,
    /// Whether the plug-in said so at the last piece.
    waits: bool,
}

fn protocol(request: &Request) -> &'static str {
    match request.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}

/// The answer of the upstream, as it arrives.
fn upstream_message<'m>(request: &Request, upstream: &'m Upstream) -> Message<'m> {
    let mut headers = Map::default();
    headers.add(b":status", upstream.status.to_string().as_bytes());
    headers.extend(&upstream.headers);
    if upstream.is_chunked() {
        headers.add(b"transfer-encoding", b"chunked");
    } else {
        headers.add(b"content-length", upstream.body.len().to_string().as_bytes());
    }
    let (pieces, trailers): (Vec<&[u8]>, &[Header]) = match is_head(request) {
        true => (Vec::new(), &[]),
        false => (upstream.pieces(), &upstream.trailers),
    };
    let ends_with_headers = is_head(request) || (upstream.body.is_empty() && !upstream.is_chunked());
    Message {
        headers,
        pieces,
        end_apart: upstream.is_chunked(),
        ends_with_headers,
        trailers,
        reset_after: upstream.reset_after.filter(|_| !is_head(request)),
        reset_when_called: None,
        limit: usize::MAX,
    }
}
