//! The upstream: a server that gives a case's answer and remembers what it saw.

mod http2;
mod open;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

use super::wire::{self, Framing, Head};
use crate::ByteString;
use engine::exchange::{Header, Protocol, Upstream};
use engine::outcome::UpstreamRequest;

/// The server; it works whenever its runtime does.
#[derive(Debug)]
pub(super) struct UpstreamServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    answer: Upstream,
    pace: Option<Arc<Pace>>,
    seen: Vec<UpstreamRequest>,
    /// Requests that have begun and are neither complete nor cut off.
    unfinished: usize,
    /// Requests that are open at once.
    plan: Vec<Planned>,
    /// Counts the answers that were set, so that what is left of a request before is not taken for one now.
    turn: u64,
}

/// A request that is expected among others, which its path tells from them.
#[derive(Debug)]
pub(super) struct Planned {
    path: ByteString,
    answer: Upstream,
    seen: Option<UpstreamRequest>,
    /// The parts of the answer that may be sent; nothing where all of them may.
    told: Option<Arc<Semaphore>>,
}

impl Planned {
    /// The request for this path; `told` when its answer comes in parts, each when the upstream is told.
    pub(super) fn new(path: &ByteString, answer: &Upstream, told: bool) -> Self {
        let told = told.then(|| Arc::new(Semaphore::new(0)));
        Self { path: path.clone(), answer: answer.clone(), seen: None, told }
    }
}

/// The condition before resetting a response. Envoy drops unsent data on a reset, so the data received by the client would
/// be random.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The client has the head.
    pub(super) head_came: Notify,
    /// Envoy has read all that was sent.
    pub(super) all_read: Notify,
}

/// How long a request that Envoy has given up may take to be seen as cut off.
const PATIENCE: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(2);

/// Between two pieces of an answer.
const BETWEEN: Duration = Duration::from_micros(200);

impl UpstreamServer {
    /// Listens on a port that the system chooses.
    pub(super) async fn start(protocol: Protocol) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A connection that fails is Envoy's to report: its request is seen as not complete.
                match protocol {
                    Protocol::Http1 => drop(tokio::spawn(async move { serve(stream, &state).await })),
                    Protocol::Http2 => drop(tokio::spawn(async move { http2::serve(stream, state).await })),
                }
            }
        });
        Ok(Self { address, state })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives this answer from now on, at this pace where there is one, and forgets what was seen.
    pub(super) fn answer_with(&self, answer: &Upstream, pace: Option<Arc<Pace>>) {
        let mut state = lock(&self.state);
        state.answer = answer.clone();
        state.pace = pace;
        state.seen.clear();
        state.plan.clear();
        state.turn += 1;
    }

    /// Expects these requests from now on, and forgets what was seen.
    pub(super) fn plan(&self, plan: Vec<Planned>) {
        self.answer_with(&Upstream::default(), None);
        lock(&self.state).plan = plan;
    }

    /// Sends the next part of the answer to one of them.
    pub(super) fn tell(&self, index: usize) -> anyhow::Result<()> {
        let state = lock(&self.state);
        let planned = state.plan.get(index).context("no such request")?;
        if planned.seen.is_none() {
            bail!(
                "the request has not reached the upstream so far: it waits, has no end, or was answered before"
            );
        }
        planned.told.iter().for_each(|told| told.add_permits(1));
        Ok(())
    }

    /// Lets all answers come to their ends.
    pub(super) fn tell_everything(&self) {
        lock(&self.state).plan.iter().flat_map(|planned| &planned.told).for_each(|told| told.close());
    }

    /// The requests that came of those that were expected, once no request is under way.
    pub(super) async fn seen_of_plan(&self) -> anyhow::Result<Vec<Option<UpstreamRequest>>> {
        let others = self.seen().await;
        if let Some(other) = others.first() {
            bail!("the upstream saw a request that no event is of, or one twice: {other:?}");
        }
        Ok(lock(&self.state).plan.iter().map(|planned| planned.seen.clone()).collect())
    }

    /// The complete requests since then, once no request is under way.
    pub(super) async fn seen(&self) -> Vec<UpstreamRequest> {
        let finished = async {
            loop {
                // First of all: what Envoy has sent may not have been read.
                tokio::time::sleep(PAUSE).await;
                if lock(&self.state).unfinished == 0 {
                    return;
                }
            }
        };
        // One that is still unfinished after that is not complete, which is all that matters here.
        let _ = tokio::time::timeout(PATIENCE, finished).await;
        lock(&self.state).seen.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(head) = wire::read_head(&mut reader).await? {
        if lock(state).answer.echo || head.upgrades_to().is_some() {
            match open::serve(head, &mut reader, &mut writer, state).await? {
                true => continue,
                false => return Ok(()),
            }
        }
        lock(state).unfinished += 1;
        let mut body = Vec::new();
        let framing = head.framing().map(|framing| framing.unwrap_or(Framing::Length(0)));
        let trailers = match framing {
            Ok(framing) => wire::read_body(&mut reader, framing, &mut body).await,
            Err(error) => Err(error),
        };
        let (answer, pace, told, to_head) = {
            let mut state = lock(state);
            state.unfinished -= 1;
            let request = request(head, body, trailers?);
            let to_head = *request.method == *b"HEAD";
            let planned = state.plan.iter_mut().find(|it| it.path == request.path && it.seen.is_none());
            if let Some(planned) = planned {
                planned.seen = Some(request);
                (planned.answer.clone(), None, planned.told.clone(), to_head)
            } else {
                state.seen.push(request);
                (state.answer.clone(), state.pace.clone(), None, to_head)
            }
        };
        if answer.closed {
            return Ok(());
        }
        for (index, piece) in encode(&answer, to_head).into_iter().enumerate() {
            // Once it is closed, all parts may go.
            if let Some(told) = &told
                && let Ok(part) = told.acquire().await
            {
                part.forget();
            }
            writer.write_all(&piece).await?;
            if let (0, Some(pace)) = (index, &pace) {
                // A head that is held does not come.
                let _ = tokio::time::timeout(PATIENCE, pace.head_came.notified()).await;
            } else if answer.chunks.is_some() {
                // Envoy reads what has come, and hands each chunk of it to the plug-in on its own.
                tokio::time::sleep(BETWEEN).await;
            }
        }
        // Without a body the answer is complete, and Envoy keeps the connection for other requests.
        if answer.reset_after.is_some() && !is_without_body(&answer, to_head) {
            if let Some(pace) = pace {
                let _ = tokio::time::timeout(PATIENCE, pace.all_read.notified()).await;
            }
            return Ok(());
        }
        if answer.open {
            // Until Envoy gives it up.
            drop(wire::read_head(&mut reader).await?);
            return Ok(());
        }
    }
    Ok(())
}

/// A request of HTTP/1.1 from its parts.
pub(super) fn request(head: Head, body: Vec<u8>, trailers: Vec<Header>) -> UpstreamRequest {
    // Envoy writes exactly `METHOD TARGET HTTP/1.1`; a target may have any bytes but spaces.
    let mut parts = head.start.split(|byte| *byte == b' ');
    let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut request = UpstreamRequest {
        method: method.into(),
        path: path.into(),
        body: body.into(),
        trailers,
        ..Default::default()
    };
    for (name, value) in head.headers {
        if *name == *b"host" {
            request.host = value;
        } else {
            request.headers.push((name, value));
        }
    }
    request
}

fn is_without_body(answer: &Upstream, to_head: bool) -> bool {
    to_head || answer.status == 204 || answer.status == 304
}

/// The answer in bytes: the head, and each piece of the body with what frames it.
pub(super) fn encode(answer: &Upstream, to_head: bool) -> Vec<Vec<u8>> {
    let mut headers = answer.headers.clone();
    let without_body = is_without_body(answer, to_head);
    let declared = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    let chunked = answer.is_chunked() && !without_body;
    if chunked {
        headers.push(("transfer-encoding".into(), "chunked".into()));
    } else if !without_body && !declared {
        headers.push(("content-length".into(), answer.body.len().to_string().as_str().into()));
    }
    let head = wire::head(&[b"HTTP/1.1 ", answer.status.to_string().as_bytes(), b" Upstream"], &headers);
    let mut written = vec![head];
    if chunked {
        written.extend(answer.pieces().into_iter().map(wire::chunk));
        if answer.reset_after.is_none() && !answer.open {
            written.push(wire::last_chunk(&answer.trailers));
        }
    } else if !without_body {
        written.push(answer.body.to_vec());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_requests_are_seen_and_each_is_answered() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = UpstreamServer::start(Protocol::Http1).await.unwrap();
            let trailers = vec![("t".into(), b"\xff".as_slice().into())];
            let answer = Upstream { status: 201, trailers: trailers.clone(), ..Upstream::default() };
            server.answer_with(&answer, None);

            let mut stream = BufReader::new(TcpStream::connect(server.address()).await.unwrap());
            let request = b"PUT /\xff?q HTTP/1.1\r\nHost: h\r\nX-A: \xfe\r\nContent-Length: 3\r\n\r\nabc";
            stream.write_all(request).await.unwrap();
            let head = wire::read_head(&mut stream).await.unwrap().unwrap();
            assert_eq!(head.start, b"HTTP/1.1 201 Upstream");
            let mut body = Vec::new();
            let framing = head.framing().unwrap().unwrap();
            assert_eq!(wire::read_body(&mut stream, framing, &mut body).await.unwrap(), trailers);
            assert_eq!(body, b"upstream");

            stream
                .write_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                .await
                .unwrap();
            drop(stream);
            let [seen] = &server.seen().await[..] else { panic!("one complete request") };
            assert_eq!((&seen.method[..], &seen.path[..]), (b"PUT".as_slice(), b"/\xff?q".as_slice()));
            assert_eq!((&seen.host[..], &seen.body[..]), (b"h".as_slice(), b"abc".as_slice()));
            assert_eq!(seen.headers[0], ("x-a".into(), b"\xfe".as_slice().into()));
        });
    }

    #[test]
    fn an_answer_without_a_body_declares_none() {
        let encoded =
            |answer: &Upstream, to_head| String::from_utf8(encode(answer, to_head).concat()).unwrap();
        let answer = Upstream::default();
        assert_eq!(encoded(&answer, false), "HTTP/1.1 200 Upstream\r\ncontent-length: 8\r\n\r\nupstream");
        assert_eq!(encoded(&answer, true), "HTTP/1.1 200 Upstream\r\n\r\n");
        let answer = Upstream { status: 204, ..answer };
        assert_eq!(encoded(&answer, false), "HTTP/1.1 204 Upstream\r\n\r\n");
    }
}
