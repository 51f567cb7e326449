//! The client: sends one request on a connection of its own, in the pieces that the case says.

pub(super) mod http1;
mod http2;
mod talk;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use gateway::Process;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use engine::exchange::{Protocol, Request};
use engine::outcome::{Answer, Stall};

/// How long an answer may take, from the first byte of the request to the last of the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Timeout for sending a chunk, since Envoy may have stopped reading.
pub(super) const READING: Duration = Duration::from_millis(100);

/// The number of chunks to wait for. Waiting for thousands would take too long.
const WAITED_FOR: usize = 200;

/// What the client got, and from which address it asked.
pub(super) struct Exchanged {
    /// Nothing when there was no answer, or when the client went away.
    pub(super) answer: Option<Answer>,
    /// Where a talk has stopped.
    pub(super) stalled: Option<Stall>,
    /// The client's end of the connection, as the access log has it.
    pub(super) client: SocketAddr,
}

/// Sends a request; the client goes away when `gone` is done, and says when it has the head of the answer.
///
/// # Errors
///
/// The connection is refused, or the request cannot be sent.
pub(super) async fn send(
    envoy: &Process,
    request: &Request,
    gone: impl Future<Output = ()>,
    head_came: &(dyn Fn() + Sync),
) -> anyhow::Result<Exchanged> {
    let stream = TcpStream::connect(envoy.address()).await.context("Envoy does not accept a connection")?;
    stream.set_nodelay(true)?;
    let client = stream.local_addr()?;
    if !request.talk.is_empty() || request.is_upgrade() {
        let (answer, stalled) = match request.protocol {
            Protocol::Http1 => talk::run(http1::Talk::begin(stream, request).await?, request).await,
            Protocol::Http2 => talk::run(http2::Talk::begin(stream, request).await?, request).await,
        };
        return Ok(Exchanged { answer, stalled, client });
    }
    let exchange = async {
        match request.protocol {
            Protocol::Http1 => http1::exchange(stream, request, &Pace::new(envoy)?, head_came).await,
            Protocol::Http2 => http2::exchange(stream, request, head_came).await,
        }
    };
    // With the exchange its connection is dropped, and the outcome is one without an answer.
    let answer = tokio::select! {
        answer = tokio::time::timeout(PATIENCE, exchange) => answer.ok().transpose()?.flatten(),
        () = gone => None,
    };
    Ok(Exchanged { answer, stalled: None, client })
}

/// Sends a request so many times, over so many connections at once, one after the other on each.
/// Returns the number of responses by status; 0 stands for none.
///
/// # Errors
///
/// The connection is refused, or the requests cannot be sent.
pub(super) async fn send_at_once(
    envoy: &Process,
    request: &Request,
    times: u32,
    connections: u32,
) -> anyhow::Result<BTreeMap<u16, u32>> {
    let mut left = times;
    let mut open_connections = JoinSet::new();
    for open in (1..=connections).rev() {
        // As even as it goes.
        let share = left.div_ceil(open);
        left -= share;
        let stream =
            TcpStream::connect(envoy.address()).await.context("Envoy does not accept a connection")?;
        stream.set_nodelay(true)?;
        let request = request.clone();
        open_connections.spawn(async move { http1::exchange_all(stream, &request, share).await });
    }
    let mut answers = BTreeMap::new();
    while let Some(statuses) = open_connections.join_next().await {
        for status in statuses?? {
            *answers.entry(status).or_default() += 1;
        }
    }
    Ok(answers)
}

/// What is sent of the body: all of it, or as much as comes before the client goes away.
fn pieces(request: &Request) -> Vec<&[u8]> {
    let mut pieces = request.pieces();
    pieces.truncate(request.reset_after.unwrap_or(usize::MAX));
    pieces
}

/// Waits until Envoy has read what was sent, so that it does not read two pieces as one.
struct Pace<'a> {
    envoy: &'a Process,
    /// The bytes that Envoy had read before the request.
    before: u64,
}

impl<'a> Pace<'a> {
    fn new(envoy: &'a Process) -> io::Result<Self> {
        Ok(Self { envoy, before: envoy.bytes_read()? })
    }

    /// Waits until `sent` bytes of the request are read; whether they are.
    async fn read(&self, sent: u64) -> io::Result<bool> {
        let deadline = Instant::now() + READING;
        while self.envoy.bytes_read()? < self.before + sent {
            if Instant::now() > deadline {
                return Ok(false);
            }
            // The answer and the upstream go on meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(true)
    }
}
