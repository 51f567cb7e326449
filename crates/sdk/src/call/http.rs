//! HTTP calls.

use std::time::Duration;

use super::{CallError, Cluster, Delivery, Kind, Response};
use crate::abi::{BufferType, MapType};
use crate::headers::{self, HeaderMap};
use crate::host;

/// A request from the plug-in to another service.
#[derive(Debug, Clone)]
#[must_use = "a call that is not sent is not made"]
pub struct HttpCall {
    cluster: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Duration,
}

impl HttpCall {
    /// Creates a request with any method. Method and path are bytes, like those of the request that is being processed.
    pub fn new(method: impl Into<Vec<u8>>, cluster: Cluster, path: impl Into<Vec<u8>>) -> Self {
        HttpCall {
            headers: vec![
                (":method".into(), method.into()),
                (":path".into(), path.into()),
                (":authority".into(), cluster.host().into()),
            ],
            cluster: cluster.name().into(),
            body: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }

    /// Creates a `GET` request.
    pub fn get(cluster: Cluster, path: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", cluster, path)
    }

    /// Creates a `POST` request.
    pub fn post(cluster: Cluster, path: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", cluster, path).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the timeout, in whole milliseconds. The default is one second. The gateway measures the time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the request immediately, and returns a future of its response.
    pub fn send(self) -> impl Future<Output = Result<HttpResponse, CallError>> {
        let headers = headers::serialise(&self.headers);
        let token = host::http_call(&self.cluster, &headers, &self.body, self.timeout);
        let response = token.map(|token| Response::new(Kind::Http, token, read));
        async move {
            match response {
                Ok(response) => response.await,
                Err(status) => Err(CallError::Refused(status)),
            }
        }
    }
}

/// Reads a response while the host has it.
fn read(delivery: Delivery) -> Result<HttpResponse, CallError> {
    let Delivery::Http { headers, body, trailers } = delivery else { return Err(CallError::NoAnswer) };
    // Without headers there is no response: the call timed out, or the service is unreachable.
    if headers == 0 {
        return Err(CallError::NoAnswer);
    }
    let map = |kind, count| match count {
        0 => Ok(HeaderMap::default()),
        _ => host::header_pairs(kind).map(HeaderMap::from_abi),
    };
    let read = || {
        Ok(HttpResponse {
            headers: map(MapType::CallResponseHeaders, headers)?,
            body: if body == 0 { Vec::new() } else { host::buffer(BufferType::CallResponseBody, 0, body)? },
            trailers: map(MapType::CallResponseTrailers, trailers)?,
        })
    };
    read().map_err(CallError::Refused)
}

/// The response to an [`HttpCall`].
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The headers, including `:status`.
    pub headers: HeaderMap,
    /// The complete body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
}

impl HttpResponse {
    /// Returns `:status`, or 0 if it is not a number.
    pub fn status(&self) -> u16 {
        headers::status(self.headers.values(":status").next())
    }
}
