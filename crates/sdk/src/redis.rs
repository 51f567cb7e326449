//! Redis servers, which gateways with Higress's host calls can query: with the feature `redis` only.
//!
//! [`RedisCache`] stores bytes under keys for some time. Limits and keys that may occur once are in [`quota`](crate::quota).

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use crate::call::redis::Value;
use crate::quota::redis::Redis;
use crate::quota::{Unavailable, is_due};
use crate::{Status, background, call, metric};

pub use crate::quota::redis::Server as RedisServer;

/// Bytes that Redis stores under keys for some time. While it is unavailable, nothing is found or stored, which is counted as
/// `<plug-in>.store_failed` and logged at most once a minute.
#[derive(Debug, Clone)]
pub struct RedisCache(Rc<Cache>);

#[derive(Debug)]
struct Cache {
    plugin: &'static str,
    client: Redis,
    /// The context of the resource, which outlives its streams.
    root: Cell<u32>,
}

impl RedisCache {
    /// Describes a server, for a plug-in of this name.
    pub fn new(plugin: &'static str, server: RedisServer) -> Self {
        RedisCache(Rc::new(Cache { plugin, client: Redis::new(server), root: Cell::new(0) }))
    }

    /// Prepares the server. Call it in `on_configured`.
    pub fn start(&self) {
        self.0.root.set(call::current_context());
        self.0.client.start();
    }

    /// Returns what is stored under a key, unless it is empty or larger than `limit` bytes, of which no more are received.
    pub async fn get(&self, key: &[u8], limit: usize) -> Option<Vec<u8>> {
        let end = limit.to_string();
        match self.0.client.send(&[b"GETRANGE", key, b"0", end.as_bytes()]).await {
            Ok(Value::Text(bytes)) => (1..=limit).contains(&bytes.len()).then_some(bytes),
            Ok(_) => None,
            Err(Unavailable) => {
                self.failed();
                None
            }
        }
    }

    /// Stores bytes under a key, for a number of seconds or forever.
    pub async fn set(&self, key: &[u8], bytes: &[u8], seconds: Option<NonZeroU32>) {
        let response = match seconds.map(|seconds| seconds.to_string()) {
            Some(seconds) => self.0.client.send(&[b"SET", key, bytes, b"EX", seconds.as_bytes()]),
            None => self.0.client.send(&[b"SET", key, bytes]),
        };
        if response.await.is_err() {
            self.failed();
        }
    }

    /// Removes a key.
    pub async fn remove(&self, key: &[u8]) {
        if self.0.client.send(&[b"DEL", key]).await.is_err() {
            self.failed();
        }
    }

    /// Starts work that the request or response does not wait for, and that continues after their end.
    ///
    /// # Errors
    ///
    /// The host's status. The work is dropped.
    pub fn spawn(&self, work: impl AsyncFnOnce(RedisCache) + 'static) -> Result<(), Status> {
        let cache = self.clone();
        background::start_after(self.0.root.get(), "redis", async move { work(cache).await })
    }

    fn failed(&self) {
        metric::add(&format!("{}.store_failed", self.0.plugin), 1);
        if is_due() {
            crate::error!("{}: the Redis server is unavailable: nothing is cached", self.0.plugin);
        }
    }
}
