//! The client: one request on a connection of its own, its body in the pieces that it is given in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// What is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// The authority.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// The other headers.
    pub headers: HeaderMap,
    /// The body, piece by piece.
    pub body: Vec<Bytes>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Whether a WebSocket is to be opened, as [`websocket`](crate::websocket) does.
    pub websocket: bool,
    /// How long the answer may take.
    pub patience: Duration,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
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
    /// Why the body is not whole, if it is not.
    pub broken: Option<String>,
}

/// Sends a request; nothing comes of it when there is no answer in time.
///
/// # Errors
///
/// Nobody listens there, or the request cannot be put on the wire.
pub async fn send(to: SocketAddr, sent: &Sent) -> Result<Option<Answer>> {
    let request = request(sent)?;
    let stream = TcpStream::connect(to).await.with_context(|| format!("nobody listens on {to}"))?;
    stream.set_nodelay(true)?;
    let exchange = exchange(TokioIo::new(stream), request, sent.http2);
    match tokio::time::timeout(sent.patience, exchange).await {
        Ok(answer) => answer.map(Some),
        Err(_) => Ok(None),
    }
}

pub(crate) type Pieces = http_body_util::combinators::BoxBody<Bytes, Infallible>;

pub(crate) fn request(sent: &Sent) -> Result<Request<Pieces>> {
    let uri = if sent.http2 { format!("http://{}{}", sent.host, sent.path) } else { sent.path.clone() };
    let uri: Uri =
        uri.parse().with_context(|| format!("`{}` is no path: escape what stands in it", sent.path))?;
    let mut request = Request::builder().method(sent.method.clone()).uri(uri);
    if let Some(headers) = request.headers_mut() {
        *headers = sent.headers.clone();
        if !sent.http2 {
            let host = sent.host.parse().with_context(|| format!("`{}` is no host", sent.host))?;
            headers.insert("host", host);
        }
        let one_piece = sent.body.len() == 1 && sent.trailers.is_empty();
        if let (true, Some(body)) = (one_piece && !headers.contains_key("content-length"), sent.body.first())
        {
            headers.insert("content-length", body.len().into());
        }
    }
    let mut frames: Vec<Result<Frame<Bytes>, Infallible>> =
        sent.body.iter().cloned().map(|piece| Ok(Frame::data(piece))).collect();
    if !sent.trailers.is_empty() {
        frames.push(Ok(Frame::trailers(sent.trailers.clone())));
    }
    let body = if frames.is_empty() { Empty::new().boxed() } else { Frames(frames.into_iter()).boxed() };
    request.body(body).context("the request cannot be written")
}

/// The frames of a body, all of them there from the beginning.
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

async fn exchange(io: TokioIo<TcpStream>, request: Request<Pieces>, http2: bool) -> Result<Answer> {
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    receive(response.context("the connection broke off before there was an answer")?).await
}

/// Reads the whole of an answer.
pub(crate) async fn receive(response: Response<Incoming>) -> Result<Answer> {
    let mut answer = Answer::without_body(&response);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => answer.body.extend_from_slice(&data),
            Ok(Err(frame)) => answer.trailers = frame.into_trailers().unwrap_or_default(),
            Err(error) => {
                answer.broken = Some(error.to_string());
                break;
            }
        }
    }
    Ok(answer)
}

impl Answer {
    /// The version, the status and the headers of a response.
    pub(crate) fn without_body<T>(response: &Response<T>) -> Self {
        Self {
            version: response.version(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Vec::new(),
            trailers: HeaderMap::new(),
            broken: None,
        }
    }
}
