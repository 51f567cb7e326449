//! Refuses requests whose nonce was used before.

use sdk::prelude::*;
use sdk::quota::{First, Seen};
use sdk::{HeaderMap, Status, consumer};

mod config;
mod rules;

use crate::config::{Config, Scope};
use crate::rules::{Nonce, find};

struct ReplayProtection;

const SEEN: Seen = Seen::new("replay-protection.nonces");

#[plugin]
impl Plugin for ReplayProtection {
    type Config = Config;

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
            Nonce::Valid(nonce) => match add(config, &headers, nonce) {
                Ok(First::Yes) => return Flow::Continue,
                Ok(First::No) => Reply::new(config.reject_code)
                    .details("replay-protection.replayed")
                    .body(config.reject_msg.as_str()),
                Ok(First::Full) => {
                    Reply::new(StatusCode::SERVICE_UNAVAILABLE).details("replay-protection.full")
                }
                Err(Status(status)) => {
                    error!("replay-protection: cannot store a nonce: host status {status}");
                    return Self::ON_FAILURE.flow("replay-protection.host_failure");
                }
            },
        };
        Flow::Reply(reply.dry_run(config.dry_run))
    }
}

/// Stores a nonce in its scope.
fn add(config: &Config, headers: &HeaderMap, nonce: &[u8]) -> Result<First, Status> {
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
    SEEN.add(&key, config.nonce_ttl)
}
