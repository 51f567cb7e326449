//! Requests that the upstream answers before they have ended: what it echoes, and upgrades.

use std::io;
use std::sync::Mutex;

use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};

use super::{State, encode, lock, request};
use crate::envoy::wire::{self, Framing, Head, Part, Pieces};
use engine::exchange::Upstream;
use engine::outcome::UpstreamRequest;

/// The place of a request among those that were seen, which grows while it goes on.
pub(super) struct Growing<'s> {
    state: &'s Mutex<State>,
    turn: u64,
    place: usize,
}

impl<'s> Growing<'s> {
    /// Notes a request that has begun, and gives the answer to it.
    pub(super) fn begin(state: &'s Mutex<State>, request: UpstreamRequest) -> (Self, Upstream) {
        let mut locked = lock(state);
        locked.unfinished += 1;
        locked.seen.push(request);
        let (turn, place, answer) = (locked.turn, locked.seen.len() - 1, locked.answer.clone());
        drop(locked);
        (Self { state, turn, place }, answer)
    }

    /// Adds to it, unless it is of another exchange than the one that goes on now.
    pub(super) fn add(&self, change: impl FnOnce(&mut UpstreamRequest)) {
        let mut locked = lock(self.state);
        if locked.turn == self.turn
            && let Some(request) = locked.seen.get_mut(self.place)
        {
            change(request);
        }
    }

    /// Adds a piece of its body.
    pub(super) fn add_data(&self, data: &[u8]) {
        self.add(|request| request.body = [&*request.body, data].concat().into());
    }
}

impl Drop for Growing<'_> {
    fn drop(&mut self) {
        lock(self.state).unfinished -= 1;
    }
}

/// Serves such a request; whether the connection can be used for another one.
pub(super) async fn serve(
    head: Head,
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    state: &Mutex<State>,
) -> io::Result<bool> {
    let upgrade = head.upgrades_to().map(<[u8]>::to_vec);
    let framing = head.framing()?.unwrap_or(Framing::Length(0));
    let (growing, answer) = Growing::begin(state, request(head, Vec::new(), Vec::new()));
    let Some(upgrade) = upgrade else {
        writer.write_all(&encode(&answer, false).concat()).await?;
        let mut pieces = Pieces::new(framing);
        loop {
            match pieces.next(reader).await? {
                Part::Data(data) => {
                    growing.add_data(&data);
                    writer.write_all(&wire::chunk(&data)).await?;
                }
                Part::End(trailers) => {
                    growing.add(|request| request.trailers = trailers);
                    writer.write_all(&wire::last_chunk(&answer.trailers)).await?;
                    return Ok(true);
                }
            }
        }
    };
    if answer.echo {
        let mut headers = answer.headers.clone();
        headers.push(("upgrade".into(), upgrade.into()));
        headers.push(("connection".into(), "Upgrade".into()));
        writer.write_all(&wire::head(&[b"HTTP/1.1 101 Switching Protocols"], &headers)).await?;
    } else {
        // As a server that knows of no upgrades. It does not wait for a body: Envoy sends none before there is a 101.
        writer.write_all(&encode(&answer, false).concat()).await?;
    }
    let mut pieces = Pieces::new(Framing::Close);
    while let Part::Data(data) = pieces.next(reader).await? {
        growing.add_data(&data);
        if answer.echo {
            writer.write_all(&data).await?;
        }
    }
    Ok(false)
}
