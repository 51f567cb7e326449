//! Authenticates requests with JSON Web Tokens.

use std::rc::Rc;
use std::time::Duration;

use auth::request::{self, Need};
use sdk::call::join_all;
use sdk::prelude::*;
use sdk::{HeaderMap, LiveHeaders, Status, background, consumer, time};

mod cache;
mod config;
mod fields;
mod rules;

use crate::cache::Verified;
use crate::config::{Config, Tokens};
use crate::rules::{Attempt, Sent};

/// The period of ticks without remote keys, which do nothing then.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

struct JwtAuth;

#[plugin(call_outs)]
impl Plugin for JwtAuth {
    type Config = Config;

    fn on_configured(configurations: &[Rc<Config>]) {
        reload(configurations);
    }

    fn tick_period(config: &Config) -> Duration {
        if config.tokens.remote.is_empty() { IDLE } else { Duration::from_secs(1) }
    }

    fn on_tick(configurations: &[Rc<Config>]) {
        reload(configurations);
        let is_due = remote(configurations).is_some_and(|tokens| !due(tokens).is_empty());
        if is_due {
            background::spawn("jwks", configurations, async |configurations| {
                if let Some(tokens) = remote(&configurations) {
                    let services = due(tokens).into_iter().filter(|service| may_fetch(tokens, *service));
                    fetch(tokens, &services.collect::<Vec<_>>()).await;
                }
            });
        }
    }

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        authenticate(request, config).unwrap_or_else(failed)
    }
}

/// The decision for a request after a host call has failed.
fn failed(Status(status): Status) -> Flow {
    error!("jwt-auth: a request cannot be authenticated: host status {status}");
    JwtAuth::ON_FAILURE.flow("jwt-auth.host_failure")
}

fn authenticate(request: &mut RequestHeaders, config: &Config) -> Result<Flow, Status> {
    let headers = request.all();
    let tokens = &*config.tokens;
    rules::remove_claim_headers(tokens, request, &headers);
    let enable = &tokens.enable_headers;
    if !enable.is_empty() && !enable.iter().any(|name| headers.get(name).is_some()) {
        consumer::remove_forged(request, &headers)?;
        return Ok(Flow::Continue);
    }
    if request::need(request, &headers, &config.access)? == Need::None {
        return Ok(Flow::Continue);
    }
    let sent = match rules::find(tokens, &headers) {
        Ok(sent) => sent,
        Err(refusal) => {
            let not_allowed = || rules::not_allowed(tokens);
            return request::finish(request, &headers, &config.access, Err(refusal), not_allowed);
        }
    };
    let services = match rules::verify(tokens, &sent, seconds()?) {
        Attempt::Done(result) => return conclude(request, &headers, config, &sent, result),
        Attempt::NeedsKeys(services) => services,
    };
    // Another worker may have fetched them.
    for remote in services.iter().filter_map(|service| tokens.remote.get(*service)) {
        remote.reload()?;
    }
    let services = match rules::verify(tokens, &sent, seconds()?) {
        Attempt::Done(result) => return conclude(request, &headers, config, &sent, result),
        Attempt::NeedsKeys(services) => services,
    };
    let turns: Vec<usize> = services.iter().copied().filter(|service| may_fetch(tokens, *service)).collect();
    if turns.is_empty() {
        let refused = Err(rules::no_key(tokens, &services));
        return conclude(request, &headers, config, &sent, refused);
    }
    Ok(request.wait(config, async move |request, config| {
        fetch(&config.tokens, &turns).await;
        let decide = || {
            let result = match rules::verify(&config.tokens, &sent, seconds()?) {
                Attempt::Done(result) => result,
                Attempt::NeedsKeys(services) => Err(rules::no_key(&config.tokens, &services)),
            };
            conclude(request, &headers, &config, &sent, result)
        };
        decide().unwrap_or_else(failed)
    }))
}

/// Passes a request on if its token is one of an allowed consumer, and otherwise refuses it.
fn conclude(
    request: &LiveHeaders,
    headers: &HeaderMap,
    config: &Config,
    sent: &Sent,
    result: Result<Rc<Verified>, auth::refusal::Refusal>,
) -> Result<Flow, Status> {
    let tokens = &*config.tokens;
    let (number, verified) = match result {
        Ok(verified) => (Ok(verified.consumer), Some(verified)),
        Err(refusal) => (Err(refusal), None),
    };
    let flow = request::finish(request, headers, &config.access, number, || rules::not_allowed(tokens))?;
    if let (Flow::Continue, Some(verified)) = (&flow, verified) {
        rules::pass_on(tokens, request, headers, sent, &verified);
    }
    Ok(flow)
}

fn seconds() -> Result<u64, Status> {
    Ok(time::nanoseconds()? / 1_000_000_000)
}

/// Returns the configuration, if keys are remote. All rules share it.
fn remote(configurations: &[Rc<Config>]) -> Option<&Tokens> {
    let tokens = &configurations.last()?.tokens;
    (!tokens.remote.is_empty()).then_some(tokens)
}

/// Takes over the keys that other workers have fetched.
fn reload(configurations: &[Rc<Config>]) {
    for keys in remote(configurations).iter().flat_map(|tokens| &tokens.remote) {
        if let Err(Status(status)) = keys.reload() {
            warn!("jwt-auth: the keys of other workers cannot be read: host status {status}");
        }
    }
}

/// Returns the services whose keys have to be refreshed.
fn due(tokens: &Tokens) -> Vec<usize> {
    let services = tokens.remote.iter().enumerate();
    services.filter(|(_, keys)| keys.is_due() == Ok(true)).map(|(service, _)| service).collect()
}

fn may_fetch(tokens: &Tokens, service: usize) -> bool {
    tokens.remote.get(service).is_some_and(|keys| keys.take_turn() == Ok(true))
}

/// Fetches keys. If that fails, the known ones stay valid.
async fn fetch(tokens: &Tokens, services: &[usize]) {
    let keys = services.iter().filter_map(|service| tokens.remote.get(*service));
    join_all(keys.map(|keys| async {
        if let Err(error) = keys.fetch().await {
            warn!("jwt-auth: the keys of {} cannot be fetched: {error}", keys.source().cluster.name());
        }
    }))
    .await;
}
