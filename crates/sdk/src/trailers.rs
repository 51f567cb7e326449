//! Trailers: headers behind a body.

use std::ops::Deref;

use crate::headers::HeaderMap;

/// The trailers of a request, in [`Plugin::on_request_trailers`](crate::Plugin::on_request_trailers). They are
/// the [`HeaderMap`] that it dereferences to.
pub struct RequestTrailers<'a, S = ()> {
    /// What this request keeps from callback to callback.
    pub state: &'a mut S,
    pub(crate) map: HeaderMap,
}

impl<S> Deref for RequestTrailers<'_, S> {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.map
    }
}

/// The trailers of a response, in [`Plugin::on_response_trailers`](crate::Plugin::on_response_trailers).
pub struct ResponseTrailers<'a, S = ()> {
    /// What the request kept; absent when this plug-in never saw the request.
    pub state: Option<&'a mut S>,
    pub(crate) map: HeaderMap,
}

impl<S> Deref for ResponseTrailers<'_, S> {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.map
    }
}
