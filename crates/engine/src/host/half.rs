//! A half of a stream passing through the filter, as in Envoy: headers, body and trailers as they arrive.

use super::Plugin;
use super::context::Body;
use super::differences::{Difference, has};
use super::maps::Map;
use super::mock::{REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use super::reply::LocalReply;

/// The action with which a callback continues a message.
const CONTINUE: u32 = 0;

/// Actions from this number stop everything, if headers can be held: Envoy's
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

/// The received part of a message. Replies and closing by the plug-in are recorded in the stream's context.
pub(super) struct Half {
    direction: Direction,
    /// The maximum length of a held body, and of a piece.
    limit: usize,
    /// The headers have not been passed on.
    headers_held: bool,
    /// The headers have been passed on.
    begun: bool,
    /// Everything after the headers waits until the plug-in continues them, and then arrives as one piece.
    stopped: Option<Backlog>,
    /// The plug-in holds the last part.
    waits: bool,
    /// The plug-in has received the end.
    ended: bool,
    /// The whole message has been passed on.
    done: bool,
    /// The part of the body that has been passed on.
    through: Vec<u8>,
}

/// The data that arrived while everything was stopped.
#[derive(Default)]
struct Backlog {
    body: Vec<u8>,
    ends: bool,
    trailers: Option<Map>,
}

impl Half {
    /// A request that has not begun.
    pub(super) fn request(limit: usize) -> Self {
        Self::new(REQUEST, limit)
    }

    /// A response that has not begun.
    pub(super) fn response(limit: usize) -> Self {
        Self::new(RESPONSE, if has(Difference::HeldResponses) { usize::MAX } else { limit })
    }

    /// Whether the headers have been passed on.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes the part of the body that has been passed on.
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

    /// Whether the whole message has been passed on.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the plug-in has received the end.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The part of the body that has been passed on.
    pub(super) fn take_through(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.through)
    }

    /// The headers arrive; `ends` if nothing follows.
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

    /// A piece of the body arrives; `ends` if it is the last.
    pub(super) fn data(&mut self, plugin: &Plugin<'_>, piece: &[u8], ends: bool) {
        if let Some(backlog) = &mut self.stopped {
            backlog.body.extend_from_slice(piece);
            backlog.ends |= ends;
            return;
        }
        // A response is read with the limit of the upstream's connection, which is Envoy's default.
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

    /// A piece as the gateway reads it: data that is not continued is held together with later data.
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

    /// The gateway's response to a message that is too large to hold.
    fn too_large(&self) -> LocalReply {
        if self.direction.stream == REQUEST.stream {
            LocalReply::payload_too_large()
        } else {
            LocalReply::response_too_large()
        }
    }

    /// The trailers arrive. The held part of the body is still readable.
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

    /// Passes waiting data on, if the plug-in has continued it since. Returns true if so.
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

    /// Calls the plug-in with a part of this message, and resets its previous decision.
    fn enter<'p>(&self, plugin: &Plugin<'p>) -> &'p super::abi::Entry {
        plugin.context(|context| context.take_continued(self.direction.stream));
        plugin.enter()
    }

    fn release_headers(&mut self, plugin: &Plugin<'_>) {
        self.headers_held = false;
        self.begun = true;
        plugin.context(|context| context.release(self.direction.headers));
    }

    /// A continued body continues its headers.
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
