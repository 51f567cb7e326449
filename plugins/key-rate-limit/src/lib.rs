//! Limits request rates by header, parameter, cookie, consumer or address.

use std::time::Duration;

use sdk::prelude::*;
use sdk::quota::{Limit, Process, Verdict};
use sdk::{HeaderMap, Status};

mod config;
mod rules;

use crate::config::Config;
use crate::rules::Limits;

struct KeyRateLimit;

const STORE: Process = Process::new("key-rate-limit");

/// The limit of a request and how many requests remain.
struct Quota {
    limit: u32,
    left: u32,
}

#[plugin]
impl Plugin for KeyRateLimit {
    type Config = Config;
    type State = Option<Quota>;

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        let headers = if config.needs_headers() { request.all() } else { HeaderMap::default() };
        match count(config, &headers) {
            Ok(Outcome::Unlimited) => Flow::Continue,
            Ok(Outcome::Limited(limit, Verdict::Granted { left })) => {
                *request.state = Some(Quota { limit: limit.amount, left });
                Flow::Continue
            }
            Ok(Outcome::Limited(limit, Verdict::Refused { wait })) => {
                Flow::Reply(refused(config, limit, wait))
            }
            // There is no time at which it would pass.
            Ok(Outcome::TooManyKeys(limit)) => Flow::Reply(refused(config, limit, None)),
            Err(Status(status)) => {
                error!("key-rate-limit: cannot count a request: host status {status}");
                Self::ON_FAILURE.flow("key-rate-limit.host_failure")
            }
        }
    }

    fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Config) -> Flow {
        if let (true, Some(Some(quota))) = (config.show_limit_quota_header, &response.state) {
            response.set("x-ratelimit-limit", quota.limit.to_string());
            response.set("x-ratelimit-remaining", quota.left.to_string());
        }
        Flow::Continue
    }
}

/// The result of counting a request.
enum Outcome<'c> {
    /// It has no limit.
    Unlimited,
    /// The deciding one of its limits.
    Limited(&'c Limit, Verdict),
    /// It has more than the maximum number of keys, one of which has this limit.
    TooManyKeys(&'c Limit),
}

/// Counts the request under its limits, if any.
fn count<'c>(config: &'c Config, headers: &HeaderMap) -> Result<Outcome<'c>, Status> {
    let address = if config.needs_address() { property::SOURCE_ADDRESS.try_get()? } else { None };
    let address = address.and_then(|address| matcher::ip::parse_ip(&address));
    Ok(match rules::find(config, headers, address) {
        Limits::TooMany(limit) => Outcome::TooManyKeys(limit),
        Limits::Each(found) => match STORE.take(&found, 1)? {
            Some((limit, verdict)) => Outcome::Limited(limit, verdict),
            None => Outcome::Unlimited,
        },
    })
}

/// Returns the response to a request over its limit. `wait` is the time until the next one passes.
fn refused(config: &Config, limit: &Limit, wait: Option<Duration>) -> Reply {
    let mut reply = Reply::new(config.rejected_code)
        .details("key-rate-limit.rejected")
        .cause(limit.path.as_str())
        .body(config.rejected_msg.as_str())
        .dry_run(config.dry_run);
    if let Some(wait) = wait {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        reply = reply.header("x-ratelimit-reset", seconds.to_string());
    }
    if config.show_limit_quota_header {
        reply =
            reply.header("x-ratelimit-limit", limit.amount.to_string()).header("x-ratelimit-remaining", "0");
    }
    reply
}
