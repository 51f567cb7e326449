//! Charges tokens of models to quotas of consumers, which an administrator sets.

use std::cell::Cell;
use std::rc::Rc;

use limits::tokens::{Counters, Exchange, Prompt};
use sdk::prelude::*;
#[cfg(feature = "redis")]
use sdk::quota::RedisQuotas;
use sdk::{Status, consumer};

mod config;
mod quota;
#[cfg(feature = "redis")]
mod redis;
mod rules;

use crate::config::{Config, Mode};

struct AiQuota;

const HOST_FAILURE: &str = "ai-quota.host_failure";
const NO_QUOTA: &str = "ai-quota.noquota";
const NO_KEY: &str = "ai-quota.no_key";
const UNAUTHORIZED: &str = "ai-quota.unauthorized";

/// The maximum size of a form of an administrator.
const MAX_FORM: usize = 8 * 1024;

static COUNTERS: Counters = Counters {
    plugin: "ai-quota",
    estimated: Counter::new("ai-quota.estimated"),
    unreadable: Counter::new("ai-quota.response_unreadable"),
    usage_refused: Counter::new("ai-quota.usage_refused"),
    tail_lost: Counter::new("ai-quota.tail_lost"),
};

/// The state of a request.
#[derive(Default)]
enum State {
    /// It passes.
    #[default]
    Other,
    /// An administrator changes a quota, in the body.
    Change(Mode),
    /// It is charged.
    Model(Box<Charge>),
}

/// A request that is charged to a quota.
struct Charge {
    consumer: Vec<u8>,
    /// Tokens that have been taken.
    taken: u32,
    exchange: Exchange,
}

#[cfg_attr(feature = "redis", plugin(call_outs))]
#[cfg_attr(not(feature = "redis"), plugin)]
impl Plugin for AiQuota {
    type Config = Config;
    type State = State;

    fn on_configured(configurations: &[Rc<Config>]) {
        #[cfg(feature = "redis")]
        configurations.iter().filter_map(|config| config.redis.as_ref()).for_each(RedisQuotas::start);
        if configurations.iter().all(|config| config.is_remote()) {
            return;
        }
        thread_local! {
            static LOGGED: Cell<bool> = const { Cell::new(false) };
        }
        if !LOGGED.replace(true) {
            info!(
                "ai-quota: quotas are kept in this gateway process: they are lost when it ends, and replicas have their own"
            );
        }
    }

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let path = request.path();
        let mode = config.mode(&path);
        if mode == Mode::Other {
            return Flow::Continue;
        }
        let consumer = match consumer::of_request() {
            Ok(Some(consumer)) if !consumer.is_empty() => consumer,
            Ok(Some(_)) => return denied(UNAUTHORIZED, StatusCode::FORBIDDEN, "Unauthorized consumer."),
            Ok(None) => {
                let status = StatusCode::UNAUTHORIZED;
                return denied(NO_KEY, status, "No Key Authentication information found.");
            }
            Err(status) => return failed(status),
        };
        if mode == Mode::Model {
            return charge(request, config, consumer);
        }
        if consumer != config.admin_consumer.as_bytes() {
            return denied(UNAUTHORIZED, StatusCode::FORBIDDEN, "Unauthorized admin consumer.");
        }
        if mode != Mode::Query {
            if request.end_of_stream() {
                return denied_form(mode);
            }
            if request.kind().is_open_ended() {
                return denied(UNAUTHORIZED, StatusCode::FORBIDDEN, "the form has no end.");
            }
            *request.state = State::Change(mode);
            return Flow::Continue;
        }
        let Some(consumer) = rules::field(&path, "consumer") else {
            return denied(UNAUTHORIZED, StatusCode::FORBIDDEN, "consumer can't be empty.");
        };
        #[cfg(feature = "redis")]
        if config.is_remote() {
            return redis::query(request, config, consumer);
        }
        match quota::get(consumer.as_bytes()) {
            Ok(quota) => queried(&consumer, quota),
            Err(status) => failed(status),
        }
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        #[cfg(not(feature = "redis"))]
        let _ = config;
        match std::mem::take(body.state) {
            State::Other => Flow::Continue,
            State::Change(mode) => {
                if body.size() > MAX_FORM {
                    return denied(UNAUTHORIZED, StatusCode::FORBIDDEN, "the form is too large.");
                }
                if body.is_last() {
                    return match rules::change(&body.all(), mode) {
                        None => denied_form(mode),
                        #[cfg(feature = "redis")]
                        Some(change) if config.is_remote() => redis::change(body, config, mode, change),
                        Some(change) => self::change(mode, &change),
                    };
                }
                *body.state = State::Change(mode);
                Flow::Hold
            }
            State::Model(mut charge) => {
                let prompt = if charge.exchange.is_over() {
                    Prompt::Incomplete(Flow::Continue)
                } else {
                    charge.exchange.request_body(body)
                };
                let flow = match prompt {
                    Prompt::Incomplete(flow) => flow,
                    // There is nothing to take, in a dry run.
                    Prompt::Complete(tokens) if tokens == 0 || charge.taken == 0 => Flow::Continue,
                    #[cfg(feature = "redis")]
                    Prompt::Complete(tokens) if config.is_remote() => {
                        *body.state = State::Model(charge);
                        return redis::take_prompt(body, config, tokens);
                    }
                    Prompt::Complete(tokens) => match quota::take(&charge.consumer, tokens) {
                        Ok(taken) => charge.take(taken),
                        Err(status) => failed(status),
                    },
                };
                *body.state = State::Model(charge);
                flow
            }
        }
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        let (status, end_of_stream) = match &response.state {
            Some(State::Model(charge)) if !charge.exchange.is_over() => {
                (response.status(), response.end_of_stream())
            }
            _ => return Flow::Continue,
        };
        let Some(State::Model(mut charge)) = response.state.as_deref_mut().map(std::mem::take) else {
            return Flow::Continue;
        };
        let taken = charge.taken;
        if let Some(cost) = charge.exchange.response_headers(response, status, end_of_stream, taken) {
            settle(config, &charge, cost);
        }
        if let Some(place) = response.state.as_deref_mut() {
            *place = State::Model(charge);
        }
        Flow::Continue
    }

    fn holds_response_body(_: &Config) -> bool {
        false
    }

    fn on_response_body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
        if !matches!(&body.state, Some(State::Model(_))) {
            return Flow::Continue;
        }
        let Some(State::Model(mut charge)) = body.state.as_deref_mut().map(std::mem::take) else {
            return Flow::Continue;
        };
        if let Some(cost) = charge.exchange.response_body(body) {
            settle(config, &charge, cost);
        }
        if let Some(place) = body.state.as_deref_mut() {
            *place = State::Model(charge);
        }
        Flow::Continue
    }

    fn on_log(end: &mut StreamEnd<State>, config: &Config) {
        let Some(State::Model(charge)) = end.state.as_deref_mut() else { return };
        if let Some(cost) = charge.exchange.finish() {
            settle(config, charge, cost);
        }
    }
}

impl Charge {
    /// Adds what was taken for the prompt, which may be less: the request has been let pass.
    fn take(&mut self, taken: Option<u32>) -> Flow {
        self.taken = self.taken.saturating_add(taken.unwrap_or_default());
        Flow::Continue
    }

    /// Returns the decision on a request for whose answer this was taken; `None` if no quota is left.
    fn decide(&mut self, config: &Config, taken: Option<u32>) -> Flow {
        if taken.is_some() {
            return self.take(taken);
        }
        if !config.dry_run {
            self.exchange.abandon();
        }
        Flow::Reply(
            Reply::new(StatusCode::FORBIDDEN)
                .details(NO_QUOTA)
                .header("content-type", "text/plain")
                .body("Request denied by ai quota check, No quota left")
                .dry_run(config.dry_run),
        )
    }
}

/// Takes the reserve from a consumer's quota.
fn charge(request: &mut RequestHeaders<State>, config: &Config, consumer: Vec<u8>) -> Flow {
    let begin = |request: &RequestHeaders<State>, consumer| {
        let exchange = Exchange::begin(&COUNTERS, request, request.end_of_stream(), config.ask_for_usage);
        Box::new(Charge { consumer, taken: 0, exchange })
    };
    #[cfg(feature = "redis")]
    if config.is_remote() {
        *request.state = State::Model(begin(request, consumer));
        return redis::take(request, config);
    }
    match quota::take(&consumer, config.first()) {
        Ok(taken) => {
            let mut charge = begin(request, consumer);
            let flow = charge.decide(config, taken);
            *request.state = State::Model(charge);
            flow
        }
        Err(status) => failed(status),
    }
}

/// Makes the cost of a request final.
fn settle(config: &Config, charge: &Charge, cost: u32) {
    let rest = i64::from(charge.taken) - i64::from(cost);
    if rest == 0 {
        return;
    }
    #[cfg(feature = "redis")]
    if let Some(redis) = &config.redis {
        if let Err(Status(status)) = redis.correct(&charge.consumer, rest) {
            error!("ai-quota: cannot count {cost} tokens: host status {status}");
        }
        return;
    }
    #[cfg(not(feature = "redis"))]
    let _ = config;
    // A consumer without a quota, in a dry run, gets none.
    let exists = matches!(quota::get(&charge.consumer), Ok(Some(_)));
    let result = if exists { quota::add(&charge.consumer, rest) } else { Ok(()) };
    if let Err(Status(status)) = result {
        error!("ai-quota: cannot count {cost} tokens: host status {status}");
    }
}

/// Returns the response to a query.
fn queried(consumer: &str, quota: Option<i64>) -> Flow {
    Flow::Reply(
        Reply::new(StatusCode::OK)
            .details("ai-quota.queryquota")
            .header("content-type", "application/json")
            .body(rules::answer(consumer, quota.unwrap_or_default())),
    )
}

/// Changes a quota as an administrator asks.
fn change(mode: Mode, change: &rules::Change) -> Flow {
    let consumer = change.consumer.as_bytes();
    let changed = match mode {
        Mode::Delta => quota::add(consumer, change.value),
        _ => quota::set(consumer, change.value),
    };
    match changed {
        Ok(()) => self::changed(mode),
        Err(status) => failed(status),
    }
}

/// Returns the response to a change.
fn changed(mode: Mode) -> Flow {
    let (details, done) = match mode {
        Mode::Delta => ("ai-quota.deltaquota", "delta quota successful"),
        _ => ("ai-quota.refreshquota", "refresh quota successful"),
    };
    Flow::Reply(Reply::new(StatusCode::OK).details(details).header("content-type", "text/plain").body(done))
}

/// Returns the response to a form that does not say what to change.
fn denied_form(mode: Mode) -> Flow {
    let reason = match mode {
        Mode::Delta => "consumer can't be empty and value must be integer.",
        _ => "consumer can't be empty and quota must be integer.",
    };
    denied(UNAUTHORIZED, StatusCode::FORBIDDEN, reason)
}

fn denied(details: &'static str, status: StatusCode, reason: &str) -> Flow {
    Flow::Reply(
        Reply::new(status)
            .details(details)
            .header("content-type", "text/plain")
            .body(format!("Request denied by ai quota check. {reason}")),
    )
}

/// Returns the decision on a request that cannot be counted.
fn failed(Status(status): Status) -> Flow {
    error!("ai-quota: cannot count a request: host status {status}");
    Failure::Closed.flow(HOST_FAILURE)
}
