//! An upstream that answers with the events of a model, as `response` in a scenario describes them.
//!
//! It speaks HTTP/2, each piece of the answer is a frame, and Envoy passes every frame to plug-ins by itself. Pieces of HTTP/1.1
//! would arrive together whenever the upstream is faster than Envoy.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot::{self, Sender};

/// A stream of Chat Completions with `usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    /// The number of events, without `[DONE]`.
    pub(crate) events: usize,
    /// The number of pieces in which they arrive.
    pub(crate) pieces: usize,
}

/// The events that a stream has at least: a word, the end, and `usage`.
pub(crate) const MIN_EVENTS: usize = 3;

/// The words of the answer, in turns.
const WORDS: [&str; 8] = ["The", " plug-ins", " of", " this", " gateway", " count", " tokens", "."];

impl Events {
    /// The pieces of the body.
    pub(crate) fn pieces(self) -> Vec<Vec<u8>> {
        let event = |choices: &str, usage: &str| {
            format!(
                "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"small\",\
                 \"choices\":[{choices}]{usage}}}\n\n"
            )
        };
        let words = self.events.saturating_sub(MIN_EVENTS - 1);
        let deltas = WORDS.iter().cycle().take(words).map(|word| {
            event(&format!("{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}"), "")
        });
        let end = event("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "");
        let usage = format!(
            ",\"usage\":{{\"prompt_tokens\":20,\"completion_tokens\":{words},\"total_tokens\":{}}}",
            words + 20
        );
        let usage = event("", &usage) + "data: [DONE]\n\n";
        let all: Vec<String> = deltas.chain([end, usage]).collect();
        let each = all.len().div_ceil(self.pieces.max(1));
        all.chunks(each).map(|events| events.concat().into_bytes()).collect()
    }
}

/// A running upstream. It stops when it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Dropped with this, which stops the thread.
    _stop: Sender<()>,
}

impl Upstream {
    /// Starts an upstream on a free port, in a thread of its own.
    pub(crate) fn start(events: Events) -> Result<Self> {
        let pieces: Vec<Bytes> = events.pieces().into_iter().map(Bytes::from).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("events".into());
        let serve = async move {
            while let Ok((connection, _)) = listener.accept().await {
                let pieces = pieces.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| respond(request, pieces.clone()));
                    // Envoy reports failed connections.
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(connection), service)
                        .await;
                });
            }
        };
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        };
        thread.spawn(run).context("starting the upstream")?;
        Ok(Self { address, _stop: stop })
    }
}

type Body = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn respond(request: Request<Incoming>, pieces: Vec<Bytes>) -> Result<Response<Body>, Infallible> {
    // The gateway sees that a client that is gone does not read the response.
    let _ = request.into_body().collect().await;
    let frames: Vec<_> = pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect();
    let mut response = Response::new(StreamBody::new(stream::iter(frames)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_divided_among_pieces() {
        for (events, pieces) in [(200, 200), (200, 10), (3, 1)] {
            let all = Events { events, pieces }.pieces();
            assert_eq!(all.len(), pieces);
            let text = String::from_utf8(all.concat()).unwrap();
            assert_eq!(text.matches("data: {").count(), events);
            assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        }
    }
}
