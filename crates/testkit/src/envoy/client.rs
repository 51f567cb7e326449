//! The client: sends one request on a connection of its own, in the pieces that the case says.

mod http1;
mod http2;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use gateway::Process;
use tokio::net::TcpStream;

use crate::case::{Protocol, Request};
use crate::outcome::Answer;

/// How long an answer may take, from the first byte of the request to the last of the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long Envoy may take to read a piece: it may have stopped reading, which is no reason to wait.
const READING: Duration = Duration::from_millis(100);

/// After so many pieces nobody waits any more: thousands of them would take too long.
const WAITED_FOR: usize = 200;

/// What the client got, and from which address it asked.
pub(super) struct Exchanged {
    /// Nothing when there was no answer, or when the client went away.
    pub(super) answer: Option<Answer>,
    /// The client's end of the connection, as the access log has it.
    pub(super) client: SocketAddr,
}

/// Sends a request.
///
/// # Errors
///
/// Nobody listens, or the request cannot be put on the wire.
pub(super) async fn send(envoy: &Process, request: &Request) -> anyhow::Result<Exchanged> {
    let stream = TcpStream::connect(envoy.address()).await.context("Envoy does not accept a connection")?;
    stream.set_nodelay(true)?;
    let client = stream.local_addr()?;
    let exchange = async {
        match request.protocol {
            Protocol::Http1 => http1::exchange(stream, request, &Pace::new(envoy)?).await,
            Protocol::Http2 => http2::exchange(stream, request).await,
        }
    };
    // After the time-out the connection is dropped, and the outcome is one without an answer.
    let answer = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(answer) => answer?,
        Err(_) => None,
    };
    Ok(Exchanged { answer, client })
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
