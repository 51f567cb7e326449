//! Bodies, as they arrive.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use crate::abi::{BufferType, MapType};
use crate::call::CallOuts;
use crate::wait::{self, WaitConfig};
use crate::{Flow, StreamKind, WaitingRequest, WaitingResponse, host};

/// Bytes of a request's body, in [`Plugin::on_request_body`](crate::Plugin::on_request_body).
pub struct RequestBody<'a, S = ()> {
    /// What this request keeps from callback to callback.
    pub state: &'a mut S,
    pub(crate) body: Body,
    pub(crate) waits: WaitConfig<'a>,
}

impl<S: Default + 'static> RequestBody<'_, S> {
    /// Lets the request wait, as [`RequestHeaders::wait`](crate::RequestHeaders::wait) does: what has
    /// arrived of the body, and what arrives meanwhile, is held.
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingRequest<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Its type is what is wanted: the stream has it counted.
        Flow::Wait(wait::begin(self.waits, Option::unwrap_or_default, MapType::RequestHeaders, work))
    }
}

impl<S> Deref for RequestBody<'_, S> {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.body
    }
}

/// Bytes of a response's body, in [`Plugin::on_response_body`](crate::Plugin::on_response_body).
pub struct ResponseBody<'a, S = ()> {
    /// What the request kept; absent when this plug-in never saw the request.
    pub state: Option<&'a mut S>,
    pub(crate) body: Body,
    pub(crate) waits: WaitConfig<'a>,
}

impl<S: Default + 'static> ResponseBody<'_, S> {
    /// Lets the response wait, as [`RequestBody::wait`] does a request.
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingResponse<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Its type is what is wanted: the stream has it counted.
        Flow::Wait(wait::begin(self.waits, |state| state, MapType::ResponseHeaders, work))
    }
}

impl<S> Deref for ResponseBody<'_, S> {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.body
    }
}

/// What has arrived of a body.
#[derive(Debug)]
pub struct Body {
    buffer: BufferType,
    /// Bytes that earlier calls have held back.
    held: usize,
    /// Bytes in the gateway's buffer, those held among them.
    size: Cell<usize>,
    /// Whether there is a buffer to write to.
    changeable: bool,
    last: bool,
    kind: StreamKind,
    failed: Cell<bool>,
}

impl Body {
    pub(crate) fn new(
        buffer: BufferType,
        held: usize,
        size: usize,
        last: bool,
        changeable: bool,
        kind: StreamKind,
    ) -> Self {
        Body {
            buffer,
            held: held.min(size),
            size: Cell::new(size),
            changeable,
            last,
            kind,
            failed: Cell::new(false),
        }
    }

    /// Whether a host call failed that should not have.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Whether the body ends here. The gateway may tell so with an empty chunk or with trailers.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// What the head said of the stream: one that [is open-ended](StreamKind::is_open_ended) is not held, even if
    /// the callback says [`Hold`](crate::Flow::Hold). No host call. Always [`StreamKind::Message`] where the
    /// plug-in says that it [holds no body](crate::Plugin::holds_request_body), because then nobody has looked.
    pub fn kind(&self) -> StreamKind {
        self.kind
    }

    /// The bytes that have arrived since the last call: every byte of a body is in one chunk exactly, and
    /// where a body is cut is the client's choice. One host call, none when there is nothing new.
    pub fn chunk(&self) -> Vec<u8> {
        self.read(self.held)
    }

    /// Everything that the gateway holds: with [`Flow::Hold`](crate::Flow::Hold) in every call
    /// before, the body from its first byte. One host call.
    pub fn all(&self) -> Vec<u8> {
        self.read(0)
    }

    /// How many bytes of [`all`](Self::all) earlier calls have held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Puts `bytes` in the place of everything that the gateway holds, what has just arrived among it: one host
    /// call. A plug-in that does this removes `content-length` in the headers callback. Call it once in a
    /// callback, after having read.
    pub fn replace(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match host::set_buffer(self.buffer, self.size.get(), bytes) {
            Ok(()) => self.size.set(bytes.len()),
            Err(_) => self.failed.set(true),
        }
    }

    /// Whether [`replace`](Self::replace) is possible. It is not at trailers before which nothing was held: all
    /// of the body has gone on then, and the gateway takes no more of it.
    pub fn can_replace(&self) -> bool {
        self.changeable
    }

    /// How many bytes [`all`](Self::all) returns now. No host call.
    pub fn size(&self) -> usize {
        self.size.get()
    }

    fn read(&self, start: usize) -> Vec<u8> {
        let size = self.size.get().saturating_sub(start);
        if size == 0 {
            return Vec::new();
        }
        match host::buffer(self.buffer, start, size) {
            // Fewer bytes than announced would be a part that nobody has looked at.
            Ok(bytes) if bytes.len() == size => bytes,
            Ok(_) | Err(_) => {
                self.failed.set(true);
                Vec::new()
            }
        }
    }
}
