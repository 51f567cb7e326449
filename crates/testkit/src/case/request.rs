//! A request of a case, its repetitions, and its expectations.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use engine::exchange::{self, Chunks, Header, Protocol, Service, TalkStep, Time, Upstream};
use serde::Deserialize;

use super::{Expect, talk};
use crate::ByteString;

/// A request and its expectations. Dereferences to the request.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Written")]
pub struct Request {
    /// Its name in events of an interleaving.
    pub name: Option<String>,
    /// The request. After parsing, it has all services of the case.
    pub sent: exchange::Request,
    /// The number of times that the request is sent, in sequence.
    pub repeat: u32,
    /// The number of concurrent connections.
    pub connections: u32,
    /// The number of responses by status, for concurrent requests.
    pub answers: BTreeMap<u16, u32>,
    /// The expectations of each.
    pub expect: Expect,
}

impl Deref for Request {
    type Target = exchange::Request;

    fn deref(&self) -> &exchange::Request {
        &self.sent
    }
}

impl DerefMut for Request {
    fn deref_mut(&mut self) -> &mut exchange::Request {
        &mut self.sent
    }
}

/// A request as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    name: Option<String>,
    method: Option<ByteString>,
    path: Option<ByteString>,
    host: Option<ByteString>,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    body: Option<ByteString>,
    #[serde(default)]
    chunks: Option<Chunks>,
    #[serde(default)]
    trailers: Vec<Header>,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default)]
    upgrade: Option<String>,
    #[serde(default, deserialize_with = "talk::steps")]
    talk: Vec<TalkStep>,
    #[serde(default)]
    reset_after: Option<usize>,
    #[serde(default)]
    reset_when_called: Option<usize>,
    #[serde(default)]
    upstream: Option<Upstream>,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    time: Option<Time>,
    #[serde(default = "once")]
    repeat: u32,
    #[serde(default = "once")]
    connections: u32,
    #[serde(default)]
    answers: BTreeMap<u16, u32>,
    #[serde(default)]
    expect: Expect,
}

fn once() -> u32 {
    1
}

impl From<Written> for Request {
    fn from(written: Written) -> Self {
        let usual = exchange::Request::default();
        let sent = exchange::Request {
            method: written.method.unwrap_or(usual.method),
            path: written.path.unwrap_or(usual.path),
            host: written.host.unwrap_or(usual.host),
            headers: written.headers,
            body: written.body,
            chunks: written.chunks,
            trailers: written.trailers,
            protocol: written.protocol,
            upgrade: written.upgrade,
            talk: written.talk,
            until_end: written.expect.cut_off,
            reset_after: written.reset_after,
            reset_when_called: written.reset_when_called,
            upstream: written.upstream,
            services: written.services,
            time: written.time,
        };
        Self {
            name: written.name,
            sent,
            repeat: written.repeat,
            connections: written.connections,
            answers: written.answers,
            expect: written.expect,
        }
    }
}
