//! Limits tokens of models by header, parameter, cookie, consumer or address.

use std::rc::Rc;
use std::time::Duration;

use limits::tokens::{Counters, Exchange, Prompt};
use limits::{Facts, Limits};
use sdk::Status;
use sdk::prelude::*;
use sdk::quota::{self, Limit, StoreError, Taken, Verdict};

mod config;
mod rules;

use crate::config::Config;

struct AiTokenRatelimit;

const REJECTED: &str = "ai-token-ratelimit.rejected";
const HOST_FAILURE: &str = "ai-token-ratelimit.host_failure";
const STORE_UNAVAILABLE: &str = "ai-token-ratelimit.store_unavailable";

static COUNTERS: Counters = Counters {
    plugin: "ai-token-ratelimit",
    estimated: Counter::new("ai-token-ratelimit.estimated"),
    unreadable: Counter::new("ai-token-ratelimit.response_unreadable"),
    usage_refused: Counter::new("ai-token-ratelimit.usage_refused"),
    tail_lost: Counter::new("ai-token-ratelimit.tail_lost"),
};

/// The state of a request under limits.
struct State {
    /// What the limits depend on. The budgets are found again from it, because they borrow from the configuration.
    facts: Facts,
    /// Tokens that have been taken.
    taken: u32,
    exchange: Exchange,
}

#[plugin(call_outs)]
impl Plugin for AiTokenRatelimit {
    type Config = Config;
    type State = Option<Box<State>>;

    fn on_configured(configurations: &[Rc<Config>]) {
        configurations.iter().for_each(|config| config.store.start());
    }

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        if !config.limits(&request.path()) {
            return Flow::Continue;
        }
        let facts = match limits::facts(&config.scope, request) {
            Ok(facts) => facts,
            Err(status) => return failed(StoreError::Host(status)),
        };
        let budgets = match limits::find(&config.scope, &facts) {
            Limits::Each(budgets) if budgets.is_empty() => return Flow::Continue,
            Limits::Each(budgets) => budgets,
            Limits::TooMany(limit) => return Flow::Reply(refused(config, limit, None)),
        };
        let first =
            if config.store.can_give_back() { rules::first_amount(config.reserve, &budgets) } else { 1 };
        let taken = config.store.try_take(&budgets, first);
        let exchange = Exchange::begin(&COUNTERS, request, request.end_of_stream(), config.ask_for_usage);
        let state = request.state.insert(Box::new(State { facts, taken: 0, exchange }));
        match taken {
            Ok(Some(taken)) => decide(config, taken, first, state),
            Ok(None) => request.wait(config, async |request, config| {
                let Some(state) = &mut request.state else { return Flow::Continue };
                // The budgets are found again only here, because they borrow from the configuration.
                let taken = match limits::find(&config.scope, &state.facts) {
                    Limits::Each(budgets) => config.store.take(&budgets, 1).await,
                    Limits::TooMany(limit) => return Flow::Reply(refused(&config, limit, None)),
                };
                match taken {
                    Ok(taken) => decide(&config, taken, 1, state),
                    Err(error) => failed(error),
                }
            }),
            Err(error) => failed(error),
        }
    }

    fn holds_request_body(config: &Config) -> bool {
        config.ask_for_usage
    }

    fn on_request_body(body: &mut RequestBody<Self::State>, config: &Config) -> Flow {
        let Some(mut state) = body.state.take() else { return Flow::Continue };
        let flow = if state.exchange.is_over() {
            Flow::Continue
        } else {
            match state.exchange.request_body(body) {
                Prompt::Incomplete(flow) => flow,
                Prompt::Complete(tokens) => take_prompt(&mut state, config, tokens),
            }
        };
        *body.state = Some(state);
        flow
    }

    fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Config) -> Flow {
        let (status, end_of_stream) = match &response.state {
            Some(Some(state)) if !state.exchange.is_over() => (response.status(), response.end_of_stream()),
            _ => return Flow::Continue,
        };
        let Some(mut state) = response.state.as_deref_mut().and_then(Option::take) else {
            return Flow::Continue;
        };
        let taken = state.taken;
        if let Some(cost) = state.exchange.response_headers(response, status, end_of_stream, taken) {
            settle(&state, config, cost);
        }
        if let Some(place) = response.state.as_deref_mut() {
            *place = Some(state);
        }
        Flow::Continue
    }

    fn holds_response_body(_: &Config) -> bool {
        false
    }

    fn on_response_body(body: &mut ResponseBody<Self::State>, config: &Config) -> Flow {
        let Some(mut state) = body.state.as_deref_mut().and_then(Option::take) else {
            return Flow::Continue;
        };
        if let Some(cost) = state.exchange.response_body(body) {
            settle(&state, config, cost);
        }
        if let Some(place) = body.state.as_deref_mut() {
            *place = Some(state);
        }
        Flow::Continue
    }

    fn on_log(end: &mut StreamEnd<Self::State>, config: &Config) {
        let Some(Some(state)) = end.state.as_deref_mut() else { return };
        if let Some(cost) = state.exchange.finish() {
            settle(state, config, cost);
        }
    }

    fn tick_period(config: &Config) -> Duration {
        config.store.tick_period()
    }

    fn on_tick(_: &[Rc<Config>]) {
        quota::wake();
    }
}

/// Returns the decision on a request for which `amount` was to be taken.
fn decide(config: &Config, taken: Taken<'_>, amount: u32, state: &mut State) -> Flow {
    match taken {
        None => Flow::Continue,
        Some((_, Verdict::Granted { .. })) => {
            state.taken = state.taken.saturating_add(amount);
            Flow::Continue
        }
        Some((limit, Verdict::Refused { wait })) => {
            if !config.dry_run {
                state.exchange.abandon();
            }
            Flow::Reply(refused(config, limit, wait))
        }
    }
}

/// Takes the prompt from the budgets, once all of it is there.
fn take_prompt(state: &mut State, config: &Config, prompt: u32) -> Flow {
    let Limits::Each(budgets) = limits::find(&config.scope, &state.facts) else { return Flow::Continue };
    let amount = rules::prompt_amount(prompt, state.taken, &budgets);
    if amount == 0 || !config.store.can_give_back() {
        return Flow::Continue;
    }
    match config.store.try_take(&budgets, amount) {
        Ok(Some(taken)) => {
            if matches!(taken, Some((_, Verdict::Refused { .. }))) {
                // A request that is refused counts under none.
                if let Err(status) = config.store.give_back(&budgets, state.taken) {
                    return failed(StoreError::Host(status));
                }
                state.taken = 0;
            }
            decide(config, taken, amount, state)
        }
        Ok(None) => Flow::Continue,
        Err(error) => failed(error),
    }
}

/// Makes the cost of a request final.
fn settle(state: &State, config: &Config, cost: u32) {
    let Limits::Each(budgets) = limits::find(&config.scope, &state.facts) else { return };
    let result = match cost.checked_sub(state.taken) {
        Some(more) => config.store.charge(&budgets, more),
        None => config.store.give_back(&budgets, state.taken - cost),
    };
    if let Err(Status(status)) = result {
        error!("ai-token-ratelimit: cannot count {cost} tokens: host status {status}");
    }
}

/// Returns the decision on a request that cannot be counted.
fn failed(error: StoreError) -> Flow {
    match error {
        StoreError::Host(Status(status)) => {
            error!("ai-token-ratelimit: cannot count a request: host status {status}");
            Failure::Closed.flow(HOST_FAILURE)
        }
        StoreError::Unavailable => Failure::Closed.flow(STORE_UNAVAILABLE),
    }
}

/// Returns the response to a request over its limit.
fn refused(config: &Config, limit: &Limit, wait: Option<Duration>) -> Reply {
    let mut reply = Reply::new(config.rejected_code)
        .details(REJECTED)
        .cause(limit.path.as_str())
        .body(config.rejected_msg.as_str())
        .dry_run(config.dry_run);
    if let Some(wait) = wait {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        reply = reply.header("x-tokenratelimit-reset", seconds.to_string());
    }
    reply
}
