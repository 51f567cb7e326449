//! The headers and trailers of requests and responses, as callbacks receive them.

use std::ops::Deref;
use std::rc::Rc;

use crate::abi::MapType;
use crate::call::CallOuts;
use crate::headers::{LiveHeaders, status};
use crate::wait::{self, WaitConfig, WaitingRequest, WaitingResponse};
use crate::{Flow, StreamKind};

/// The headers of a request, in [`Plugin::on_request_headers`](crate::Plugin::on_request_headers).
///
/// It dereferences to [`LiveHeaders`], which includes the pseudo-headers `:path`, `:method`, `:authority` and `:scheme`.
pub struct RequestHeaders<'a, S = ()> {
    /// The state of the request, kept from callback to callback.
    pub state: &'a mut S,
    pub(crate) map: LiveHeaders,
    pub(crate) end_of_stream: bool,
    pub(crate) kind: Option<StreamKind>,
    pub(crate) wait: WaitConfig<'a>,
}

impl<S> RequestHeaders<'_, S> {
    /// Returns true if the request has neither a body nor trailers.
    pub fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Returns the kind of stream that the request begins.
    ///
    /// This costs no host call if the request has no body, or if the SDK has already determined the kind because the
    /// plug-in [may hold](crate::Plugin::holds_request_body) the body. Otherwise it costs one, shared with a following
    /// [`all`](LiveHeaders::all).
    pub fn kind(&self) -> StreamKind {
        match self.kind {
            Some(kind) => kind,
            None if self.end_of_stream => StreamKind::Message,
            None => self.map.request_kind(),
        }
    }

    /// Returns `:path`: the path with its query, unchanged.
    pub fn path(&self) -> Vec<u8> {
        self.get(":path").unwrap_or_default()
    }

    /// Returns `:method`.
    pub fn method(&self) -> Vec<u8> {
        self.get(":method").unwrap_or_default()
    }

    /// Returns `:authority` or `host`, unchanged: with port, in any case.
    pub fn authority(&self) -> Vec<u8> {
        self.get(":authority").unwrap_or_default()
    }
}

impl<S: Default + 'static> RequestHeaders<'_, S> {
    /// Makes the request wait for work that [calls other services](crate::call). `config` is the callback's argument; the
    /// work receives the request, with its state, and a shared copy of the configuration.
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingRequest<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Only its type is used: the stream has the `Rc`.
        Flow::Wait(wait::begin(self.wait, Option::unwrap_or_default, MapType::RequestHeaders, work))
    }
}

impl<S> Deref for RequestHeaders<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// The headers of a response, in [`Plugin::on_response_headers`](crate::Plugin::on_response_headers).
pub struct ResponseHeaders<'a, S = ()> {
    /// The state of the request; absent if this plug-in has not seen the request.
    pub state: Option<&'a mut S>,
    pub(crate) map: LiveHeaders,
    pub(crate) end_of_stream: bool,
    /// The kind of the request; an ordinary message if this plug-in has not seen it.
    pub(crate) request: StreamKind,
    pub(crate) kind: Option<StreamKind>,
    pub(crate) wait: WaitConfig<'a>,
}

impl<S> ResponseHeaders<'_, S> {
    /// Returns true if the response has neither a body nor trailers.
    pub fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Returns the kind of the response's stream, like [`RequestHeaders::kind`]. A tunnel is recognised only if this plug-in
    /// has seen its CONNECT.
    pub fn kind(&self) -> StreamKind {
        match self.kind {
            Some(kind) => kind,
            None if self.end_of_stream => StreamKind::Message,
            None => self.map.response_kind(self.request),
        }
    }

    /// Returns `:status`, or 0 if it is not a number.
    pub fn status(&self) -> u16 {
        status(self.get(":status").as_deref())
    }
}

impl<S: Default + 'static> ResponseHeaders<'_, S> {
    /// Makes the response wait, like [`RequestHeaders::wait`].
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingResponse<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Only its type is used: the stream has the `Rc`.
        Flow::Wait(wait::begin(self.wait, |state| state, MapType::ResponseHeaders, work))
    }
}

impl<S> Deref for ResponseHeaders<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// The trailers of a request, in [`Plugin::on_request_trailers`](crate::Plugin::on_request_trailers). It dereferences to
/// [`LiveHeaders`].
///
/// Unlike headers and bodies, trailers have no `wait`: the body before them has been passed on when they are shown, so the
/// upstream already has the request. Work that decides about a request waits in the last call of
/// [`on_request_body`](crate::Plugin::on_request_body), which comes first and holds both.
pub struct RequestTrailers<'a, S = ()> {
    /// The state of the request, kept from callback to callback.
    pub state: &'a mut S,
    pub(crate) map: LiveHeaders,
}

impl<S> Deref for RequestTrailers<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// The trailers of a response, in [`Plugin::on_response_trailers`](crate::Plugin::on_response_trailers).
pub struct ResponseTrailers<'a, S = ()> {
    /// The state of the request; absent if this plug-in has not seen the request.
    pub state: Option<&'a mut S>,
    pub(crate) map: LiveHeaders,
}

impl<S> Deref for ResponseTrailers<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// A stream that is over, in [`Plugin::on_log`](crate::Plugin::on_log).
///
/// The bodies and trailers are gone. [Properties](crate::property) can be read, and those that are set appear in the access
/// log.
pub struct StreamEnd<'a, S = ()> {
    /// The state of the stream; absent if this plug-in has not seen the request.
    pub state: Option<&'a mut S>,
}

impl<S> StreamEnd<'_, S> {
    /// Returns the first value of a header of the request, as it was sent to the upstream.
    pub fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        LiveHeaders::new(MapType::RequestHeaders).get(name)
    }

    /// Returns the first value of a header of the response, as it was sent to the client; `None` without a response.
    pub fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        LiveHeaders::new(MapType::ResponseHeaders).get(name)
    }

    /// Returns the status of the response, or 0 if there was none.
    pub fn status(&self) -> u16 {
        status(self.response_header(":status").as_deref())
    }
}
