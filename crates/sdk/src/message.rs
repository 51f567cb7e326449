//! The head of a request or a response, as a callback gets it.

use std::ops::Deref;
use std::rc::Rc;

use crate::abi::MapType;
use crate::call::CallOuts;
use crate::headers::{LiveHeaders, status};
use crate::wait::{self, WaitConfig, WaitingRequest, WaitingResponse};
use crate::{Flow, StreamKind};

/// The head of a request, in [`Plugin::on_request_headers`](crate::Plugin::on_request_headers).
///
/// Its headers, pseudo-headers (`:path`, `:method`, `:authority`, `:scheme`) among them, are those of the
/// [`LiveHeaders`] that it dereferences to.
pub struct RequestHeaders<'a, S = ()> {
    /// What this request keeps from callback to callback.
    pub state: &'a mut S,
    pub(crate) map: LiveHeaders,
    pub(crate) end_of_stream: bool,
    pub(crate) kind: Option<StreamKind>,
    pub(crate) waits: WaitConfig<'a>,
}

impl<S> RequestHeaders<'_, S> {
    /// Whether the request ends here: it has neither body nor trailers.
    pub fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// What the head says of the stream that the request begins. Without a host call where the SDK has found it out
    /// already, because a body follows that the plug-in [may hold](crate::Plugin::holds_request_body), and where
    /// no body follows at all; else one, shared with a following [`all`](LiveHeaders::all).
    pub fn kind(&self) -> StreamKind {
        match self.kind {
            Some(kind) => kind,
            None if self.end_of_stream => StreamKind::Message,
            None => self.map.request_kind(),
        }
    }

    /// `:path`: the path with its query, as it came.
    pub fn path(&self) -> Vec<u8> {
        self.get(":path").unwrap_or_default()
    }

    /// `:method`.
    pub fn method(&self) -> Vec<u8> {
        self.get(":method").unwrap_or_default()
    }

    /// `:authority` or `host`, as it came: with port, in any case.
    pub fn authority(&self) -> Vec<u8> {
        self.get(":authority").unwrap_or_default()
    }
}

impl<S: Default + 'static> RequestHeaders<'_, S> {
    /// Lets the request wait for work that [calls other services](crate::call). `config` is the callback's
    /// own; the work gets the request, with its state, and the configuration to keep.
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingRequest<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Its type is what is wanted: the stream has it counted.
        Flow::Wait(wait::begin(self.waits, Option::unwrap_or_default, MapType::RequestHeaders, work))
    }
}

impl<S> Deref for RequestHeaders<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// The head of a response, in [`Plugin::on_response_headers`](crate::Plugin::on_response_headers).
pub struct ResponseHeaders<'a, S = ()> {
    /// What the request kept; absent when this plug-in never saw the request.
    pub state: Option<&'a mut S>,
    pub(crate) map: LiveHeaders,
    pub(crate) end_of_stream: bool,
    /// The kind of the request; an ordinary message where this plug-in never saw it.
    pub(crate) request: StreamKind,
    pub(crate) kind: Option<StreamKind>,
    pub(crate) waits: WaitConfig<'a>,
}

impl<S> ResponseHeaders<'_, S> {
    /// Whether the response ends here: it has neither body nor trailers.
    pub fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// What the head says of the response's stream, as [`RequestHeaders::kind`] does of the request's. A tunnel is
    /// only known as one where this plug-in has seen its CONNECT.
    pub fn kind(&self) -> StreamKind {
        match self.kind {
            Some(kind) => kind,
            None if self.end_of_stream => StreamKind::Message,
            None => self.map.response_kind(self.request),
        }
    }

    /// `:status`, or 0 when it is not a number.
    pub fn status(&self) -> u16 {
        status(self.get(":status").as_deref())
    }
}

impl<S: Default + 'static> ResponseHeaders<'_, S> {
    /// Lets the response wait, as [`RequestHeaders::wait`] does a request.
    pub fn wait<C: CallOuts<P> + 'static, P>(
        &mut self,
        config: &C,
        work: impl AsyncFnOnce(&mut WaitingResponse<S>, Rc<C>) -> Flow + 'static,
    ) -> Flow {
        let _ = config; // Its type is what is wanted: the stream has it counted.
        Flow::Wait(wait::begin(self.waits, |state| state, MapType::ResponseHeaders, work))
    }
}

impl<S> Deref for ResponseHeaders<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// The trailers of a request, in [`Plugin::on_request_trailers`](crate::Plugin::on_request_trailers). They are
/// the [`LiveHeaders`] that it dereferences to.
pub struct RequestTrailers<'a, S = ()> {
    /// What this request keeps from callback to callback.
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
    /// What the request kept; absent when this plug-in never saw the request.
    pub state: Option<&'a mut S>,
    pub(crate) map: LiveHeaders,
}

impl<S> Deref for ResponseTrailers<'_, S> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}
