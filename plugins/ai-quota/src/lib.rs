//! Charges tokens of models to quotas of consumers, which an administrator sets.

use std::cell::Cell;
use std::rc::Rc;

use limits::tokens::{Counters, Exchange, Prompt};
use sdk::prelude::*;
use sdk::{Status, consumer};

mod config;
mod quota;
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

#[plugin]
impl Plugin for AiQuota {
    type Config = Config;
    type State = State;

    fn on_configured(_: &[Rc<Config>]) {
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
                return change(mode, b"");
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
        match quota::get(consumer.as_bytes()) {
            Ok(quota) => Flow::Reply(
                Reply::new(StatusCode::OK)
                    .details("ai-quota.queryquota")
                    .header("content-type", "application/json")
                    .body(rules::answer(&consumer, quota.unwrap_or_default())),
            ),
            Err(status) => failed(status),
        }
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        match std::mem::take(body.state) {
            State::Other => Flow::Continue,
            State::Change(mode) => {
                if body.size() > MAX_FORM {
                    return denied(UNAUTHORIZED, StatusCode::FORBIDDEN, "the form is too large.");
                }
                if body.is_last() {
                    return change(mode, &body.all());
                }
                *body.state = State::Change(mode);
                Flow::Hold
            }
            State::Model(mut charge) => {
                let flow = if charge.exchange.is_over() {
                    Flow::Continue
                } else {
                    match charge.exchange.request_body(body) {
                        Prompt::Incomplete(flow) => flow,
                        Prompt::Complete(tokens) => take_prompt(&mut charge, config, tokens),
                    }
                };
                *body.state = State::Model(charge);
                flow
            }
        }
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, _: &Config) -> Flow {
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
            settle(&charge, cost);
        }
        if let Some(place) = response.state.as_deref_mut() {
            *place = State::Model(charge);
        }
        Flow::Continue
    }

    fn holds_response_body(_: &Config) -> bool {
        false
    }

    fn on_response_body(body: &mut ResponseBody<State>, _: &Config) -> Flow {
        if !matches!(&body.state, Some(State::Model(_))) {
            return Flow::Continue;
        }
        let Some(State::Model(mut charge)) = body.state.as_deref_mut().map(std::mem::take) else {
            return Flow::Continue;
        };
        if let Some(cost) = charge.exchange.response_body(body) {
            settle(&charge, cost);
        }
        if let Some(place) = body.state.as_deref_mut() {
            *place = State::Model(charge);
        }
        Flow::Continue
    }

    fn on_log(end: &mut StreamEnd<State>, _: &Config) {
        let Some(State::Model(charge)) = end.state.as_deref_mut() else { return };
        if let Some(cost) = charge.exchange.finish() {
            settle(charge, cost);
        }
    }
}

/// Takes the reserve from a consumer's quota.
fn charge(request: &mut RequestHeaders<State>, config: &Config, consumer: Vec<u8>) -> Flow {
    let taken = match quota::take(&consumer, config.reserve.max(1)) {
        Ok(taken) => taken,
        Err(status) => return failed(status),
    };
    let mut exchange = Exchange::begin(&COUNTERS, request, request.end_of_stream(), config.ask_for_usage);
    if taken.is_none() && !config.dry_run {
        exchange.abandon();
    }
    *request.state = State::Model(Box::new(Charge { consumer, taken: taken.unwrap_or_default(), exchange }));
    match taken {
        Some(_) => Flow::Continue,
        None => Flow::Reply(
            Reply::new(StatusCode::FORBIDDEN)
                .details(NO_QUOTA)
                .header("content-type", "text/plain")
                .body("Request denied by ai quota check, No quota left")
                .dry_run(config.dry_run),
        ),
    }
}

/// Takes the prompt, or what is left: the request has been let pass.
fn take_prompt(charge: &mut Charge, config: &Config, tokens: u32) -> Flow {
    if tokens == 0 || (config.dry_run && charge.taken == 0) {
        return Flow::Continue;
    }
    match quota::take(&charge.consumer, tokens) {
        Ok(taken) => {
            charge.taken = charge.taken.saturating_add(taken.unwrap_or_default());
            Flow::Continue
        }
        Err(status) => failed(status),
    }
}

/// Makes the cost of a request final.
fn settle(charge: &Charge, cost: u32) {
    let rest = i64::from(charge.taken) - i64::from(cost);
    // A consumer without a quota, in a dry run, gets none.
    let exists = rest == 0 || matches!(quota::get(&charge.consumer), Ok(Some(_)));
    let result = if rest == 0 || !exists { Ok(()) } else { quota::add(&charge.consumer, rest) };
    if let Err(Status(status)) = result {
        error!("ai-quota: cannot count {cost} tokens: host status {status}");
    }
}

/// Changes a quota as an administrator asks.
fn change(mode: Mode, form: &[u8]) -> Flow {
    let (name, details, done) = match mode {
        Mode::Delta => ("value", "ai-quota.deltaquota", "delta quota successful"),
        _ => ("quota", "ai-quota.refreshquota", "refresh quota successful"),
    };
    let Some(rules::Change { consumer, value }) = rules::change(form, name) else {
        return denied(
            UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            match mode {
                Mode::Delta => "consumer can't be empty and value must be integer.",
                _ => "consumer can't be empty and quota must be integer.",
            },
        );
    };
    let changed = match mode {
        Mode::Delta => quota::add(consumer.as_bytes(), value),
        _ => quota::set(consumer.as_bytes(), value),
    };
    match changed {
        Ok(()) => Flow::Reply(
            Reply::new(StatusCode::OK).details(details).header("content-type", "text/plain").body(done),
        ),
        Err(status) => failed(status),
    }
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
