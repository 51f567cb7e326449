//! HTTP calls.

use std::time::Duration;

use super::{Answer, CallError, Cluster, Delivery, Kind};
use crate::abi::{BufferType, MapType};
use crate::headers::{self, HeaderMap};
use crate::host;

/// A request of the plug-in's own.
#[derive(Debug, Clone)]
#[must_use = "a call that is not sent is not made"]
pub struct HttpCall {
    cluster: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Duration,
}

impl HttpCall {
    /// A request with any method. Path and method are bytes, because a request's own are.
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

    /// A `GET`.
    pub fn get(cluster: Cluster, path: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", cluster, path)
    }

    /// A `POST`.
    pub fn post(cluster: Cluster, path: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", cluster, path).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// How long the answer may take, in whole milliseconds; a second unless said. It is the gateway that
    /// keeps the time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the request, at once, and gives its answer.
    pub fn send(self) -> impl Future<Output = Result<HttpResponse, CallError>> {
        let headers = headers::serialise(&self.headers);
        let token = host::http_call(&self.cluster, &headers, &self.body, self.timeout);
        let answer = token.map(|token| Answer::new(Kind::Http, token, read));
        async move {
            match answer {
                Ok(answer) => answer.await,
                Err(status) => Err(CallError::Refused(status)),
            }
        }
    }
}

/// Reads an answer while the host has it.
fn read(delivery: Delivery) -> Result<HttpResponse, CallError> {
    let Delivery::Http { headers, body, trailers } = delivery else { return Err(CallError::NoAnswer) };
    // Without any header there was no answer: the time was over, or nobody there.
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

/// The answer to an [`HttpCall`].
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Its headers, `:status` among them.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: HeaderMap,
}

impl HttpResponse {
    /// `:status`, or 0 when it is not a number.
    pub fn status(&self) -> u16 {
        headers::status(self.headers.values(":status").next())
    }
}
