//! Masks and denies sensitive words in prompts and answers.

use std::cell::Cell;

use sdk::Counter;
use sdk::prelude::*;

mod answer;
mod arguments;
mod config;
mod deny;
mod fields;
mod form;
mod inside;
mod lines;
mod masks;
#[cfg(test)]
mod oracle;
mod places;
mod raw;
mod requests;
mod responses;
mod roles;
mod shapes;
mod stream;
mod values;
mod whole;
mod window;

use crate::answer::{Denial, Shape};
use crate::config::Config;
use crate::masks::Masks;
use crate::shapes::Api;

struct AiDataMasking;

const REQUEST_DENIED: &str = "ai-data-masking.request_denied";
const RESPONSE_DENIED: &str = "ai-data-masking.response_denied";
const REQUEST_UNREADABLE: &str = "ai-data-masking.request_unreadable";
const RESPONSE_UNREADABLE: &str = "ai-data-masking.response_unreadable";

static MASKED: Counter = Counter::new("ai-data-masking.request_masked");
static DENIED: Counter = Counter::new(RESPONSE_DENIED);
static DENIED_DRY: Counter = Counter::new("ai-data-masking.response_denied.dry_run");
static NOT_APPLIED: Counter = Counter::new("ai-data-masking.deny_code_not_applied");
static UNREADABLE: Counter = Counter::new(RESPONSE_UNREADABLE);
static DROPPED: Counter = Counter::new("ai-data-masking.event_dropped");
static LOST: Counter = Counter::new("ai-data-masking.tail_lost");

/// What one request keeps for its response.
#[derive(Default)]
struct State {
    masks: Masks,
    /// Whose API the request is to.
    api: Api,
    /// Whether the answer is this plug-in's own.
    answered: bool,
    request: requests::Reading,
    response: responses::Reading,
}

#[plugin]
impl Plugin for AiDataMasking {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        if config.is_idle() { Flow::Continue } else { requests::headers(request, config) }
    }

    fn holds_request_body(config: &Config) -> bool {
        !config.is_idle() && !config.only_looks()
    }

    fn holds_response_body(config: &Config) -> bool {
        Self::holds_request_body(config)
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        if config.is_idle() { Flow::Continue } else { requests::body(body, config) }
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        // Who has no state is answered by somebody in front of this plug-in.
        let answered = response.state.as_ref().is_none_or(|state| state.answered);
        if config.is_idle() || response.end_of_stream() || answered {
            return Flow::Continue;
        }
        responses::headers(response, config)
    }

    fn on_response_body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
        responses::body(body, config)
    }
}

/// Whether a content coding is one that has to be undone to read a body.
fn is_encoded(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Whether a body of which so much is held is to be looked at before its end: when its first bytes are there, and again
/// when there is many times as much, so that however it is cut it is read a few times only.
fn is_due(held: usize, looked_at: usize) -> bool {
    held == 0 || held >= looked_at.max(1).saturating_mul(16)
}

/// A response is denied whose head has gone on.
fn denied_in_place(denial: Denial) {
    thread_local! {
        static SAID: Cell<bool> = const { Cell::new(false) };
    }
    DENIED.add(1);
    NOT_APPLIED.add(1);
    debug!("ai-data-masking: denies a response ({}) by {}", RESPONSE_DENIED, denial.cause);
    let what = match denial.shape {
        Shape::Stream(..) => "is ended",
        Shape::Completion(_) | Shape::Raw => "has another body",
    };
    if !SAID.replace(true) {
        warn!(
            "ai-data-masking: a denied response {what} and keeps its status and content type, since its head has gone \
             on: `deny_code` is for gateways that hold headers (`hold_headers`). This is said once; \
             ai-data-masking.deny_code_not_applied counts"
        );
    }
}

/// Something would be denied.
fn denied_in_dry_run(cause: &str) {
    info!("ai-data-masking: dry run: would deny a response ({RESPONSE_DENIED}) by {cause}");
    DENIED_DRY.add(1);
}
