//! The client: one request on a connection of its own, with its body in chunks.

mod target;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{HeaderMap, Method, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub use target::{Target, TargetError, header_line};

/// A request to send.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The authority.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// The other headers.
    pub headers: HeaderMap,
    /// The chunks of the body.
    pub body: Vec<Bytes>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// Whether to use HTTP/2.
    pub http2: bool,
    /// Whether to open a WebSocket, as [`websocket`](crate::websocket) does.
    pub websocket: bool,
    /// How long to wait for the response.
    pub timeout: Duration,
}

/// A response that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The version of HTTP.
    pub version: Version,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// Why the body is incomplete, if it is.
    pub interrupted: Option<String>,
}

/// Sends a request. There is no response if none came in time.
///
/// # Errors
///
/// There is no connection, or the request is not valid.
pub async fn send(to: SocketAddr, request: &Request) -> Result<Option<Response>> {
    let message = message(request)?;
    let stream = TcpStream::connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true)?;
    let exchange = exchange(TokioIo::new(stream), message, request.http2);
    match tokio::time::timeout(request.timeout, exchange).await {
        Ok(response) => response.map(Some),
        Err(_) => Ok(None),
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// The request as the HTTP library sends it.
pub(crate) fn message(request: &Request) -> Result<hyper::Request<Body>> {
    let Request { host, path, .. } = request;
    let uri = if request.http2 { format!("http://{host}{path}") } else { path.clone() };
    let uri: Uri = uri.parse().with_context(|| format!("`{path}` is not a valid path: percent-encode it"))?;
    let mut message = hyper::Request::builder().method(request.method.clone()).uri(uri);
    if let Some(headers) = message.headers_mut() {
        *headers = request.headers.clone();
        if !request.http2 {
            let host = host.parse().with_context(|| format!("`{host}` is not a valid host"))?;
            headers.insert("host", host);
        }
        let one_chunk = request.body.len() == 1 && request.trailers.is_empty();
        if let (true, Some(body)) =
            (one_chunk && !headers.contains_key("content-length"), request.body.first())
        {
            headers.insert("content-length", body.len().into());
        }
    }
    let mut frames: Vec<Result<Frame<Bytes>, Infallible>> =
        request.body.iter().cloned().map(|chunk| Ok(Frame::data(chunk))).collect();
    if !request.trailers.is_empty() {
        frames.push(Ok(Frame::trailers(request.trailers.clone())));
    }
    let body = if frames.is_empty() { Empty::new().boxed() } else { Frames(frames.into_iter()).boxed() };
    message.body(body).context("the request is not valid")
}

/// The frames of a body that is known from the beginning.
struct Frames(std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        task::Poll::Ready(self.0.next())
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}

async fn exchange(io: TokioIo<TcpStream>, message: hyper::Request<Body>, http2: bool) -> Result<Response> {
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        sender.send_request(message).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        sender.send_request(message).await
    };
    receive(response.context(CLOSED)?).await
}

/// The message of a connection that ended too early.
pub(crate) const CLOSED: &str = "the connection was closed before a response";

/// Reads the whole response.
pub(crate) async fn receive(response: hyper::Response<Incoming>) -> Result<Response> {
    let mut received = Response::without_body(&response);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => received.body.extend_from_slice(&data),
            Ok(Err(frame)) => received.trailers = frame.into_trailers().unwrap_or_default(),
            Err(error) => {
                received.interrupted = Some(error.to_string());
                break;
            }
        }
    }
    Ok(received)
}

impl Response {
    /// The version, the status and the headers of a response.
    pub(crate) fn without_body<T>(response: &hyper::Response<T>) -> Self {
        Self {
            version: response.version(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            interrupted: None,
        }
    }
}
