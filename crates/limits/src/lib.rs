//! Limits of request rates, in the process or over all replicas: the code of `key-rate-limit` and
//! `cluster-key-rate-limit`, which differ only in their [`Names`]. Plug-ins that limit [tokens] have the same sources of keys.
//!
//! A configuration ([`Config`]) has limits and a [store](sdk::quota::Store). [`count`] finds the limits and keys of a request
//! (`rules`), and takes one request from each of their budgets.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use matcher::ip::parse_ip;
use sdk::call::CallOuts;
use sdk::prelude::*;
use sdk::quota::{Limit, ServiceLimit, StoreError, Taken, Verdict};
use sdk::{HeaderMap, LiveHeaders, Status, consumer};

mod config;
mod rules;
pub mod tokens;

pub use crate::config::{
    Config, Fields, Item, ItemFields, KeyEntry, KeyFields, QuotaFields, Quotas, Scope, global,
};
pub use crate::rules::{Facts, Limits, find};

/// The names of a plug-in in logs, counters and response-code details.
pub trait Names: 'static {
    /// The plug-in.
    const PLUGIN: &'static str;
    /// Details of the response to a request over its limit: `<plug-in>.rejected`.
    const REJECTED: &'static str;
    /// Details if a host call fails: `<plug-in>.host_failure`.
    const HOST_FAILURE: &'static str;
    /// Details if the store is unavailable: `<plug-in>.store_unavailable`.
    const STORE_UNAVAILABLE: &'static str;
}

/// The limit of a request and how many requests remain, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    left: Option<u32>,
}

/// Prepares the stores. Call it in `on_configured`.
pub fn start<N>(configurations: &[Rc<Config<N>>]) {
    configurations.iter().for_each(|config| config.store.start());
}

/// Returns the limits that a rate limit service counts, for native tools.
pub fn service_limits<N>(config: &Config<N>) -> Vec<ServiceLimit> {
    let limits = config.scope.limits().into_iter();
    limits.filter_map(|(limit, per_key)| config.store.service_limit(limit, per_key)).collect()
}

/// Counts a request under its limits, and returns the decision.
pub fn count<N: Names, P>(request: &mut RequestHeaders<'_, Option<Quota>>, config: &Config<N>) -> Flow
where
    Config<N>: CallOuts<P>,
{
    let budgets = match find_limits(config, request) {
        Ok(Limits::Each(budgets)) => budgets,
        Ok(Limits::TooMany(limit)) => return Flow::Reply(refused(config, limit, None)),
        Err(status) => return failed::<N>(StoreError::Host(status)),
    };
    match config.store.try_take(&budgets, 1) {
        Ok(Some(taken)) => decide(config, taken, request.state),
        Ok(None) => request.wait(config, async |request, config| {
            // They are found again only here, because they borrow from the configuration.
            let taken = match find_limits(&config, request) {
                Ok(Limits::Each(budgets)) => config.store.take(&budgets, 1).await,
                Ok(Limits::TooMany(limit)) => return Flow::Reply(refused(&config, limit, None)),
                Err(status) => Err(StoreError::Host(status)),
            };
            match taken {
                Ok(taken) => decide(&config, taken, &mut request.state),
                Err(error) => failed::<N>(error),
            }
        }),
        Err(error) => failed::<N>(error),
    }
}

/// Adds the quota headers to a response.
pub fn show_quota<N>(response: &ResponseHeaders<'_, Option<Quota>>, config: &Config<N>) {
    if let (true, Some(Some(quota))) = (config.show_limit_quota_header, &response.state) {
        response.set("x-ratelimit-limit", quota.limit.to_string());
        if let Some(left) = quota.left {
            response.set("x-ratelimit-remaining", left.to_string());
        }
    }
}

/// Finds the limits of a request.
fn find_limits<'c, N>(config: &'c Config<N>, request: &LiveHeaders) -> Result<Limits<'c>, Status> {
    Ok(find(&config.scope, &facts(&config.scope, request)?))
}

/// Reads what the limits depend on.
///
/// # Errors
///
/// The host's status if a call fails.
pub fn facts(scope: &Scope, request: &LiveHeaders) -> Result<Facts, Status> {
    let headers = if scope.needs_headers() { request.all() } else { HeaderMap::default() };
    let address = if scope.needs_address() { address()? } else { None };
    let consumer = if scope.needs_consumer() { consumer::verified()? } else { None };
    Ok(Facts { headers, address, consumer })
}

/// Returns the client's address. One that real-ip could not determine is that of the connection, because a request without an
/// address would have no limit.
fn address() -> Result<Option<IpAddr>, Status> {
    let parse = |address: Option<Vec<u8>>| address.and_then(|address| parse_ip(&address));
    match parse(property::client_address()?) {
        Some(address) => Ok(Some(address)),
        None => Ok(parse(property::SOURCE_ADDRESS.try_get()?)),
    }
}

/// Returns the decision on a request that has been counted.
fn decide<N: Names>(config: &Config<N>, taken: Taken<'_>, state: &mut Option<Quota>) -> Flow {
    match taken {
        None => Flow::Continue,
        Some((limit, Verdict::Granted { left })) => {
            *state = Some(Quota { limit: limit.amount, left });
            Flow::Continue
        }
        Some((limit, Verdict::Refused { wait })) => Flow::Reply(refused(config, limit, wait)),
    }
}

/// Returns the decision on a request that cannot be counted.
fn failed<N: Names>(error: StoreError) -> Flow {
    match error {
        StoreError::Host(Status(status)) => {
            error!("{}: cannot count a request: host status {status}", N::PLUGIN);
            Failure::Closed.flow(N::HOST_FAILURE)
        }
        StoreError::Unavailable => Failure::Closed.flow(N::STORE_UNAVAILABLE),
    }
}

/// Returns the response to a request over its limit. `wait` is the time until the next one passes; there may be none.
fn refused<N: Names>(config: &Config<N>, limit: &Limit, wait: Option<Duration>) -> Reply {
    let mut reply = Reply::new(config.rejected_code)
        .details(N::REJECTED)
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
