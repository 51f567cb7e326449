//! Quotas in Redis, for which requests wait.

use sdk::prelude::*;
use sdk::quota::StoreError;

use crate::config::{Config, Mode};
use crate::rules::Change;
use crate::{State, changed, failed, queried};

const STORE_UNAVAILABLE: &str = "ai-quota.store_unavailable";

/// Returns a quota.
pub fn query(request: &mut RequestHeaders<State>, config: &Config, consumer: String) -> Flow {
    request.wait(config, async move |_, config| {
        let Some(redis) = &config.redis else { return Flow::Continue };
        match redis.get(consumer.as_bytes()).await {
            Ok(quota) => queried(&consumer, quota),
            Err(error) => unavailable(error, false),
        }
    })
}

/// Changes a quota.
pub fn change(body: &mut RequestBody<State>, config: &Config, mode: Mode, change: Change) -> Flow {
    body.wait(config, async move |_, config| {
        let Some(redis) = &config.redis else { return Flow::Continue };
        let consumer = change.consumer.as_bytes();
        let result = match mode {
            Mode::Delta => redis.add(consumer, change.value).await,
            _ => redis.set(consumer, change.value).await,
        };
        match result {
            Ok(()) => changed(mode),
            Err(error) => unavailable(error, false),
        }
    })
}

/// Takes what an answer may cost from the quota of a request.
pub fn take(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
    request.wait(config, async |request, config| {
        let (State::Model(charge), Some(redis)) = (&mut request.state, &config.redis) else {
            return Flow::Continue;
        };
        match redis.take(&charge.consumer, config.first()).await {
            Ok(taken) => charge.decide(&config, taken),
            Err(error) => {
                if !config.dry_run {
                    charge.exchange.abandon();
                }
                unavailable(error, config.dry_run)
            }
        }
    })
}

/// Takes the prompt of a request from its quota.
pub fn take_prompt(body: &mut RequestBody<State>, config: &Config, tokens: u32) -> Flow {
    body.wait(config, async move |request, config| {
        let (State::Model(charge), Some(redis)) = (&mut request.state, &config.redis) else {
            return Flow::Continue;
        };
        match redis.take(&charge.consumer, tokens).await {
            Ok(taken) => charge.take(taken),
            Err(error) => unavailable(error, config.dry_run),
        }
    })
}

/// Returns the decision on a request whose quota is out of reach.
fn unavailable(error: StoreError, dry_run: bool) -> Flow {
    match error {
        StoreError::Host(status) => failed(status),
        StoreError::Unavailable => {
            let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE);
            Flow::Reply(reply.details(STORE_UNAVAILABLE).dry_run(dry_run))
        }
    }
}
