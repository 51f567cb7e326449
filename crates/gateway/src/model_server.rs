//! A model server for gateways that have none: it answers a prompt with its last words, and counts every word as a token.
//!
//! Its answers are those of OpenAI's Chat Completions and Anthropic's Messages, whole or as streams, with calls of tools, `usage`
//! and errors. The same request always has the same answer, so that its tokens can be predicted.

mod protocol;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::oneshot::{self, Sender};

use protocol::{Failure, Prompt, Protocol};

use crate::accept::accept;
use crate::routes::ModelServer as Settings;

/// A running model server. It stops, with its connections, when it is dropped.
pub(crate) struct ModelServer {
    address: SocketAddr,
    /// Dropped with this, which stops the thread of the server.
    _stop: Sender<()>,
}

impl ModelServer {
    /// Starts a model server on a free port; `name` is the value of `x-upstream` in its responses.
    pub(crate) fn start(name: &str, settings: Settings) -> io::Result<Self> {
        let name = HeaderValue::from_str(name).map_err(io::Error::other)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        // A thread of its own: callers may have no runtime, or one that must not be blocked.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new().name("model-server".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // A listener that cannot be used accepts no connection, which Envoy reports.
                    _ = run(listener, Arc::new((name, settings))) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, _stop: stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn run(
    listener: std::net::TcpListener,
    server: Arc<(HeaderValue, Settings)>,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = accept(|| listener.accept()).await;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            // Otherwise, tokens would wait for each other.
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request| {
                let server = Arc::clone(&server);
                async move { Ok::<_, Infallible>(respond(request, &server.0, &server.1).await) }
            });
            // Envoy reports failed connections.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(request: Request<Incoming>, name: &HeaderValue, settings: &Settings) -> Response<Body> {
    let protocol = Protocol::of(request.uri().path());
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        // The client is gone and does not read the response.
        Err(_) => Bytes::new(),
    };
    let mut response = match protocol.ok_or(Failure::Path).and_then(|protocol| {
        let prompt = Prompt::parse(&body)?;
        let is_known = settings.models.is_empty() || settings.models.contains(&prompt.model);
        if is_known { Ok((protocol, prompt)) } else { Err(Failure::Model(prompt.model)) }
    }) {
        Ok((protocol, prompt)) if prompt.stream => {
            events(protocol.events(&prompt), Duration::from_millis(settings.token_delay_ms))
        }
        Ok((protocol, prompt)) => json(StatusCode::OK, protocol.answer(&prompt).to_string()),
        Err(failure) => {
            json(failure.status(), protocol.unwrap_or(Protocol::OpenAi).error(&failure).to_string())
        }
    };
    response.headers_mut().insert("x-upstream", name.clone());
    response
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::from(text + "\n").boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream of events, each of which comes `delay` after the one before it.
fn events(events: Vec<String>, delay: Duration) -> Response<Body> {
    let frames = stream::iter(events).then(move |event| async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok(Frame::data(Bytes::from(event)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
