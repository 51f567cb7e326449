//! One half of a stream on its way through the filter, as Envoy moves it: headers, body, trailers, each when it arrives.

use super::Plugin;
use super::context::Body;
use super::differences::{Difference, has};
use super::maps::Map;
use super::mock::{REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use super::reply::LocalReply;

/// What a callback returns to let a message go on.
const CONTINUE: u32 = 0;

/// What a callback returns, from here on, to stop everything where headers can be held: Envoy's
/// `FilterHeadersStatus`, which Higress's SDKs use.
const STOP_ALL: u32 = 3;

/// The half of a stream that a message belongs to, in the host's numbers.
#[derive(Clone, Copy)]
struct Direction {
    stream: u32,
    headers: usize,
    trailers: usize,
    body: Body,
}

const REQUEST: Direction =
    Direction { stream: 0, headers: REQUEST_HEADERS, trailers: REQUEST_TRAILERS, body: Body::Request };
const RESPONSE: Direction =
    Direction { stream: 1, headers: RESPONSE_HEADERS, trailers: RESPONSE_TRAILERS, body: Body::Response };

/// A message, as far as it has come. What the plug-in answers or closes is left in the stream's context.
pub(super) struct Half {
    direction: Direction,
    /// A body that the gateway has to hold may have so many bytes; a larger piece never arrives at once.
    limit: usize,
    /// The headers have not gone on.
    headers_held: bool,
    /// The headers have gone on.
    begun: bool,
    /// Nothing that follows the headers reaches the plug-in until it lets them go on; then it comes in one piece.
    stopped: Option<Backlog>,
    /// The plug-in holds what it was shown last.
    waits: bool,
    /// The plug-in was shown the end.
    ended: bool,
    /// All of the message has gone on.
    done: bool,
    /// What has gone on of the body.
    through: Vec<u8>,
}

/// What has arrived while everything was stopped.
#[derive(Default)]
struct Backlog {
    body: Vec<u8>,
    ends: bool,
    trailers: Option<Map>,
}

impl Half {
    /// A request that is to come.
    pub(super) fn request(limit: usize) -> Self {
        Self::new(REQUEST, limit)
    }

    /// A response that is to come.
    pub(super) fn response(limit: usize) -> Self {
        Self::new(RESPONSE, if has(Difference::HeldResponses) { usize::MAX } else { limit })
    }

    /// Whether the headers have gone on.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// What has gone on of the body and was not taken.
    pub(super) fn through(&self) -> &[u8] {
        &self.through
    }

    fn new(direction: Direction, limit: usize) -> Self {
        Self {
            direction,
            limit: limit.max(1),
            headers_held: false,
            begun: false,
            stopped: None,
            waits: false,
            ended: false,
            done: false,
            through: Vec::new(),
        }
    }

    /// Whether all of the message has gone on.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the plug-in was shown the end.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// What has gone on of the body.
    pub(super) fn take_through(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.through)
    }

    /// The headers arrive; `ends` when there is nothing else.
    pub(super) fn headers(&mut self, plugin: &Plugin<'_>, headers: Map, ends: bool) {
        let count = headers.len();
        self.ended = ends;
        plugin.context(|context| context.arrive(self.direction.headers, headers));
        let entry = self.enter(plugin);
        let callback = match self.direction.stream {
            0 => entry.on_request_headers,
            _ => entry.on_response_headers,
        };
        let action = callback.map_or(CONTINUE, |call| call(plugin.id, count, ends));
        if plugin.context(|context| context.is_over()) {
            return;
        }
        if action == CONTINUE {
            self.release_headers(plugin);
            return if ends {
                self.finish(plugin)
            };
        }
        self.headers_held = true;
        let flows = plugin.host.borrow().gateway().hold_headers && action < STOP_ALL && !ends;
        self.stopped = (!flows).then(Backlog::default);
    }

    /// A piece of the body arrives; `ends` when it is the last.
    pub(super) fn data(&mut self, plugin: &Plugin<'_>, piece: &[u8], ends: bool) {
        if let Some(backlog) = &mut self.stopped {
            backlog.body.extend_from_slice(piece);
            backlog.ends |= ends;
            return;
        }
        // A response is read by the limit of the upstream's connection, which is Envoy's own.
        let most = if self.direction.stream == REQUEST.stream { self.limit } else { usize::MAX };
        let mut reads: Vec<&[u8]> = piece.chunks(most).collect();
        if reads.is_empty() {
            reads.push(&[]);
        }
        let last = reads.len() - 1;
        for (index, read) in reads.into_iter().enumerate() {
            self.read(plugin, read, ends && index == last);
            if plugin.context(|context| context.is_over()) {
                return;
            }
        }
        if ends && !self.waits {
            self.finish(plugin);
        }
    }

    /// What the gateway reads at once: what a piece does not let go on is held with those after it.
    fn read(&mut self, plugin: &Plugin<'_>, read: &[u8], ends: bool) {
        let body = self.direction.body;
        let mut held = plugin.context(|context| context.take_body(body));
        held.extend_from_slice(read);
        let size = held.len();
        let too_large = size > self.limit;
        if self.waits && too_large {
            return plugin.context(|context| context.reply = Some(self.too_large()));
        }
        self.ended = ends;
        plugin.context(|context| context.body_arrives(body, held));
        let entry = self.enter(plugin);
        let callback = match self.direction.stream {
            0 => entry.on_request_body,
            _ => entry.on_response_body,
        };
        let action = callback.map_or(CONTINUE, |call| call(plugin.id, size, ends));
        self.waits = action != CONTINUE;
        if plugin.context(|context| context.is_over()) {
            return;
        }
        if !self.waits {
            self.let_body_go(plugin);
        } else if too_large {
            plugin.context(|context| context.reply = Some(self.too_large()));
        }
    }

    /// What the gateway says of a message that is larger than it holds.
    fn too_large(&self) -> LocalReply {
        if self.direction.stream == REQUEST.stream {
            LocalReply::payload_too_large()
        } else {
            LocalReply::response_too_large()
        }
    }

    /// The trailers arrive. What is held of the body can still be read.
    pub(super) fn trailers(&mut self, plugin: &Plugin<'_>, trailers: Map) {
        if let Some(backlog) = &mut self.stopped {
            backlog.trailers = Some(trailers);
            return;
        }
        let count = trailers.len();
        self.ended = true;
        plugin.context(|context| context.arrive(self.direction.trailers, trailers));
        let entry = self.enter(plugin);
        let callback = match self.direction.stream {
            0 => entry.on_request_trailers,
            _ => entry.on_response_trailers,
        };
        let action = callback.map_or(CONTINUE, |call| call(plugin.id, count));
        self.waits = action != CONTINUE;
        if !plugin.context(|context| context.is_over()) && !self.waits {
            self.finish(plugin);
        }
    }

    /// Lets what waits go on where the plug-in has said so since; whether it did.
    pub(super) fn resume(&mut self, plugin: &Plugin<'_>) -> bool {
        if self.stopped.is_none() && !self.waits {
            return false;
        }
        if !plugin.context(|context| context.take_continued(self.direction.stream)) {
            return false;
        }
        self.waits = false;
        let Some(backlog) = self.stopped.take() else {
            self.let_body_go(plugin);
            if self.ended {
                self.finish(plugin);
            }
            return true;
        };
        self.release_headers(plugin);
        if self.ended {
            self.finish(plugin);
            return true;
        }
        if backlog.ends || !backlog.body.is_empty() {
            self.data(plugin, &backlog.body, backlog.ends);
        }
        if let Some(trailers) = backlog.trailers
            && !plugin.context(|context| context.is_over())
        {
            self.trailers(plugin, trailers);
        }
        true
    }

    /// Enters the plug-in with a part of this message: what it said of the message before is past.
    fn enter<'p>(&self, plugin: &Plugin<'p>) -> &'p super::abi::Entry {
        plugin.context(|context| context.take_continued(self.direction.stream));
        plugin.enter()
    }

    fn release_headers(&mut self, plugin: &Plugin<'_>) {
        self.headers_held = false;
        self.begun = true;
        plugin.context(|context| context.release(self.direction.headers));
    }

    /// A body takes its headers along.
    fn let_body_go(&mut self, plugin: &Plugin<'_>) {
        let mut body = plugin.context(|context| context.take_body(self.direction.body));
        self.through.append(&mut body);
        if self.headers_held {
            self.release_headers(plugin);
        }
    }

    fn finish(&mut self, plugin: &Plugin<'_>) {
        self.let_body_go(plugin);
        plugin.context(|context| context.release(self.direction.trailers));
        self.done = true;
    }
}
