//! The stored responses that gateways share in Redis.
//!
//! A key has one response. If a response depends on headers of the request, its key has their names instead, and the response is
//! under a key of their values. The names have a number that is part of these keys, so removing the names removes the responses.

use std::num::NonZeroU32;
use std::rc::Rc;

use sdk::redis::RedisCache;
use sdk::{HeaderMap, Status};
use sha2::{Digest, Sha256};

use crate::store::{Entry, Key};
use crate::{add, rules, store};

/// Stored responses in Redis.
#[derive(Clone)]
pub struct Redis {
    cache: RedisCache,
    prefix: Rc<str>,
    /// The maximum size of a response with its headers.
    limit: usize,
}

/// Seconds for which the names of headers are stored at least.
pub const DAY: u32 = 86_400;

/// The space for headers.
const HEADERS: usize = 65_536;

impl Redis {
    /// Stores responses with bodies of at most `entry_bytes` under keys with a prefix.
    pub fn new(cache: RedisCache, prefix: &str, entry_bytes: usize) -> Self {
        Self { cache, prefix: prefix.into(), limit: entry_bytes.saturating_add(HEADERS) }
    }

    /// Prepares the server.
    pub fn start(&self) {
        self.cache.start();
    }

    /// Returns the response with a key, and its body.
    pub async fn find(&self, key: &Key, request: &HeaderMap) -> Option<(Entry, Vec<u8>)> {
        let (entry, body) = self.get(key).await?;
        if !entry.is_index() {
            return Some((entry, body));
        }
        let value = |name: &[u8]| str::from_utf8(name).map(|name| rules::joined(request, name));
        let values: Result<Vec<_>, _> = entry.vary.iter().map(|(name, _)| value(name)).collect();
        self.get(&variant(&entry, values.ok()?)).await
    }

    async fn get(&self, key: &Key) -> Option<(Entry, Vec<u8>)> {
        let bytes = self.cache.get(&self.name(key), self.limit).await?;
        store::unpack(&bytes).filter(|(entry, _)| entry.key == *key)
    }

    /// Stores a response for a number of seconds or forever. The client does not wait for it.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn put(&self, entry: Entry, body: Vec<u8>, seconds: Option<NonZeroU32>) -> Result<(), Status> {
        let redis = self.clone();
        self.cache.spawn(async move |_| redis.set(entry, &body, seconds).await)
    }

    async fn set(&self, mut entry: Entry, body: &[u8], seconds: Option<NonZeroU32>) {
        if !entry.vary.is_empty() {
            let new = entry.index();
            let old = self.get(&entry.key).await.map(|(old, _)| old);
            let index = old.filter(|old| old.is_index() && old.vary == new.vary).unwrap_or(new);
            let values = entry.vary.iter().map(|(_, value)| value.clone()).collect();
            let name = self.name(&entry.key);
            let seconds = seconds.map(|seconds| seconds.max(const { NonZeroU32::new(DAY).unwrap() }));
            self.cache.set(&name, &store::pack(&index, &[]), seconds).await;
            entry.key = variant(&index, values);
        }
        let bytes = store::pack(&entry, body);
        if bytes.len() <= self.limit {
            self.cache.set(&self.name(&entry.key), &bytes, seconds).await;
        }
    }

    /// Removes the responses with a key.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn remove(&self, key: &Key) -> Result<(), Status> {
        let name = self.name(key);
        self.cache.spawn(async move |cache| cache.remove(&name).await)
    }

    fn name(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), text::hex::encode(key).as_bytes()].concat()
    }
}

/// The key of a response that depends on headers with these values.
fn variant(index: &Entry, values: Vec<Vec<u8>>) -> Key {
    let mut digest = Sha256::new();
    add(&mut digest, &index.key);
    add(&mut digest, &index.stored.to_le_bytes());
    for value in values {
        add(&mut digest, &value);
    }
    digest.finalize().into()
}
