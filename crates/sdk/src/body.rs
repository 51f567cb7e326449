//! Bodies of requests and responses, as callbacks receive them.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use crate::abi::{BufferType, MapType};
use crate::call::CallOuts;
use crate::headers::LiveHeaders;
use crate::wait::{self, WaitConfig};
use crate::{Flow, StreamKind, WaitingRequest, WaitingResponse, host};

/// Bytes of a request's body, in [`Plugin::on_request_body`](crate::Plugin::on_request_body).
pub struct RequestBody<'a, S = ()> {
    /// The state of the request, kept from callback to callback.
    pub state: &'a mut S,
    pub(crate) body: Body,
    pub(crate) headers: LiveHeaders,
    pub(crate) wait: WaitConfig<'a>,
}

impl<S: Default + 'static> RequestBody<'_, S> {
    /// Makes the request wait, like [`RequestHeaders::wait`](crate::RequestHeaders::wait). What has arrived of the body, and
    /// what arrives meanwhile, is held.
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingRequest<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Only its type is used: the stream has the `Rc`.
        Flow::Wait(wait::begin(self.wait, Option::unwrap_or_default, MapType::RequestHeaders, work))
    }
}

impl<S> RequestBody<'_, S> {
    /// Returns the headers of the request. They can be read and changed only while the gateway
    /// [holds](crate::guide::pausing) them; otherwise each call fails, and ends the callback as
    /// [`ON_FAILURE`](crate::Plugin::ON_FAILURE) says.
    pub fn held_headers(&self) -> &LiveHeaders {
        &self.headers
    }

    pub(crate) fn failed(&self) -> bool {
        self.body.failed() || self.headers.failed()
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
    /// The state of the request; absent if this plug-in has not seen the request.
    pub state: Option<&'a mut S>,
    pub(crate) body: Body,
    pub(crate) headers: LiveHeaders,
    pub(crate) wait: WaitConfig<'a>,
}

impl<S: Default + 'static> ResponseBody<'_, S> {
    /// Makes the response wait, like [`RequestBody::wait`].
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingResponse<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Only its type is used: the stream has the `Rc`.
        Flow::Wait(wait::begin(self.wait, |state| state, MapType::ResponseHeaders, work))
    }
}

impl<S> ResponseBody<'_, S> {
    /// Returns the headers of the response, like [`RequestBody::held_headers`].
    pub fn held_headers(&self) -> &LiveHeaders {
        &self.headers
    }

    pub(crate) fn failed(&self) -> bool {
        self.body.failed() || self.headers.failed()
    }
}

impl<S> Deref for ResponseBody<'_, S> {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.body
    }
}

/// How far a body is that is read as a whole, see [`Body::whole`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WholeBody {
    /// It does not begin as expected, and is to pass with all that follows.
    Passes,
    /// It is to be held until the rest arrives.
    Incomplete,
    /// All of it.
    Complete(Vec<u8>),
}

/// The part of a body that has arrived.
#[derive(Debug)]
pub struct Body {
    buffer: BufferType,
    /// Bytes that earlier callbacks have held.
    held: usize,
    /// Bytes in the gateway's buffer, including those held.
    size: Cell<usize>,
    /// True if the gateway has a buffer that can be replaced.
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

    /// Returns true if a host call failed unexpectedly.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Returns true if the body ends here. The gateway may report the end with an empty chunk or with trailers.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Returns the kind of the stream, without a host call. One that [is open-ended](StreamKind::is_open_ended) is not held,
    /// even if the callback returns [`Hold`](crate::Flow::Hold).
    ///
    /// Always [`StreamKind::Message`] if the plug-in [holds no body](crate::Plugin::holds_request_body), because the kind is
    /// not determined then.
    pub fn kind(&self) -> StreamKind {
        self.kind
    }

    /// Returns the bytes that have arrived since the last callback. Every byte of a body is in exactly one chunk; clients
    /// choose where a body is split. One host call, or none if there are no new bytes.
    pub fn chunk(&self) -> Vec<u8> {
        self.read(self.held)
    }

    /// Returns all bytes that the gateway holds: the body from its first byte, if every callback before returned
    /// [`Flow::Hold`](crate::Flow::Hold). One host call.
    pub fn all(&self) -> Vec<u8> {
        self.read(0)
    }

    /// Returns the body once it is complete, for a callback that returns [`Flow::Hold`](crate::Flow::Hold) until then. A body
    /// whose first bytes `may_begin` refuses passes, so that uploads of any size are not held.
    pub fn whole(&self, may_begin: impl FnOnce(&[u8]) -> bool) -> WholeBody {
        match () {
            () if self.is_last() => WholeBody::Complete(self.all()),
            () if self.held() == 0 && !may_begin(&self.chunk()) => WholeBody::Passes,
            () => WholeBody::Incomplete,
        }
    }

    /// Returns how many bytes of [`all`](Self::all) were held by earlier callbacks.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Replaces all bytes that the gateway holds, including those that have just arrived, with `bytes`. One host call.
    ///
    /// Remove `content-length` in the headers callback if you use this. Call it once in a callback, after reading.
    pub fn replace(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match host::set_buffer(self.buffer, self.size.get(), bytes) {
            Ok(()) => self.size.set(bytes.len()),
            Err(_) => self.failed.set(true),
        }
    }

    /// Returns true if [`replace`](Self::replace) is possible. It is not at the end of a body with trailers of which
    /// nothing was held: all of the body has been sent on then, and the gateway accepts no more of it.
    pub fn can_replace(&self) -> bool {
        self.changeable
    }

    /// Returns the size of [`all`](Self::all), without a host call.
    pub fn size(&self) -> usize {
        self.size.get()
    }

    fn read(&self, start: usize) -> Vec<u8> {
        let size = self.size.get().saturating_sub(start);
        if size == 0 {
            return Vec::new();
        }
        match host::buffer(self.buffer, start, size) {
            // With fewer bytes than announced, a part of the body would remain unread.
            Ok(bytes) if bytes.len() == size => bytes,
            Ok(_) | Err(_) => {
                self.failed.set(true);
                Vec::new()
            }
        }
    }
}
