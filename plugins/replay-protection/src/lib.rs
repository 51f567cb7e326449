//! Refuses requests whose nonce was used before.

#[cfg(feature = "redis")]
use std::rc::Rc;

use sdk::prelude::*;
#[cfg(feature = "redis")]
use sdk::quota::RedisSeen;
use sdk::quota::{First, Seen};
use sdk::{HeaderMap, Status, consumer};

mod config;
mod rules;

use crate::config::{Config, Scope};
use crate::rules::{Nonce, find};

struct ReplayProtection;

const SEEN: Seen = Seen::new("replay-protection.nonces");

#[cfg_attr(feature = "redis", plugin(call_outs))]
#[cfg_attr(not(feature = "redis"), plugin)]
impl Plugin for ReplayProtection {
    type Config = Config;

    #[cfg(feature = "redis")]
    fn on_configured(configurations: &[Rc<Self::Config>]) {
        configurations.iter().filter_map(|config| config.redis.as_ref()).for_each(RedisSeen::start);
    }

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        let headers = request.all();
        let reply = match find(config, &headers) {
            Nonce::None => return Flow::Continue,
            Nonce::Missing => Reply::new(StatusCode::BAD_REQUEST)
                .details("replay-protection.missing")
                .body("Missing Required Header"),
            Nonce::Invalid => {
                Reply::new(StatusCode::BAD_REQUEST).details("replay-protection.invalid").body("Invalid Nonce")
            }
            Nonce::Valid(nonce) => {
                #[cfg(feature = "redis")]
                if config.redis.is_some() {
                    let key = match redis_key(config, &headers, nonce) {
                        Ok(key) => key,
                        Err(status) => return failed(status),
                    };
                    return request.wait(config, async move |_, config| add_to_redis(&config, &key).await);
                }
                return match key(config, &headers, nonce).and_then(|key| SEEN.add(&key, config.nonce_ttl)) {
                    Ok(first) => decide(config, first),
                    Err(status) => failed(status),
                };
            }
        };
        Flow::Reply(reply.dry_run(config.dry_run))
    }
}

/// Returns the decision on a request whose nonce was stored, or was there before.
fn decide(config: &Config, first: First) -> Flow {
    let reply = match first {
        First::Yes => return Flow::Continue,
        First::No => Reply::new(config.reject_code)
            .details("replay-protection.replayed")
            .body(config.reject_msg.as_str()),
        First::Full => Reply::new(StatusCode::SERVICE_UNAVAILABLE).details("replay-protection.full"),
    };
    Flow::Reply(reply.dry_run(config.dry_run))
}

/// Returns the decision on a request whose nonce cannot be stored.
fn failed(Status(status): Status) -> Flow {
    error!("replay-protection: cannot store a nonce: host status {status}");
    ReplayProtection::ON_FAILURE.flow("replay-protection.host_failure")
}

/// Stores a nonce in Redis, and returns the decision.
#[cfg(feature = "redis")]
async fn add_to_redis(config: &Config, key: &[u8]) -> Flow {
    let Some(redis) = &config.redis else { return Flow::Continue };
    match redis.add(key, config.nonce_ttl).await {
        Some(first) => decide(config, first),
        None => {
            let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE);
            Flow::Reply(reply.details("replay-protection.store_unavailable").dry_run(config.dry_run))
        }
    }
}

/// Returns the key of a nonce in Redis. With the scope of the gateway, it is that of Higress's own plug-in.
#[cfg(feature = "redis")]
fn redis_key(config: &Config, headers: &HeaderMap, nonce: &[u8]) -> Result<Vec<u8>, Status> {
    match config.per {
        Scope::Gateway => Ok(nonce.to_vec()),
        Scope::Consumer => key(config, headers, nonce),
    }
}

/// Returns a nonce in its scope.
fn key(config: &Config, headers: &HeaderMap, nonce: &[u8]) -> Result<Vec<u8>, Status> {
    let mut key = Vec::new();
    // The length prevents ambiguous concatenations.
    let mut append = |part: &[u8]| {
        key.extend(part.len().to_le_bytes());
        key.extend(part);
    };
    if config.per == Scope::Consumer {
        match consumer::verified()? {
            Some(consumer) => append(&consumer),
            None => headers.values(consumer::HEADER).for_each(&mut append),
        }
    }
    append(nonce);
    Ok(key)
}
