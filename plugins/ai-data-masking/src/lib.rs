//! Denies sensitive words and masks personal data in prompts and responses.

use std::cell::Cell;

use sdk::Counter;
use sdk::prelude::*;
use text::chat::Api;

mod arguments;
mod config;
mod denial;
mod deny;
mod embedded;
mod fields;
mod form;
mod lines;
mod masks;
#[cfg(test)]
mod oracle;
mod raw;
mod requests;
mod responses;
mod roles;
mod stream;
mod values;
mod whole;
mod window;

use crate::config::Config;
use crate::denial::{Denial, Shape};
use crate::masks::Masks;

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

/// State of a request.
#[derive(Default)]
struct State {
    masks: Masks,
    /// The API of the request.
    api: Api,
    /// True if this plug-in has answered the request.
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
        !config.is_idle() && !config.is_passive()
    }

    fn holds_response_body(config: &Config) -> bool {
        Self::holds_request_body(config)
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        if config.is_idle() { Flow::Continue } else { requests::body(body, config) }
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        // Without state, an earlier plug-in has answered the request.
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

/// Returns true if a body with this `content-encoding` must be decoded.
fn is_encoded(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Returns true if a held body must be inspected before its end: when its first bytes have arrived, and again when it has
/// grown by a large factor, so it is inspected only a few times for any chunking.
fn is_due(size: usize, inspected: usize) -> bool {
    inspected == 0 || size > inspected.saturating_mul(16)
}

/// Reports a denied response whose headers have already been sent.
fn denied_in_place(denial: Denial) {
    thread_local! {
        static LOGGED: Cell<bool> = const { Cell::new(false) };
    }
    DENIED.add(1);
    NOT_APPLIED.add(1);
    debug!("ai-data-masking: response denied ({}) by {}", RESPONSE_DENIED, denial.cause);
    let what = match denial.shape {
        Shape::Stream(..) => "is ended",
        Shape::Completion(_) | Shape::Raw => "has its body replaced",
    };
    if !LOGGED.replace(true) {
        warn!(
            "ai-data-masking: a denied response {what} and keeps its status and content type, because its headers have \
             been sent: `deny_code` requires a gateway that holds headers (`hold_headers`). This is logged once; see \
             the counter ai-data-masking.deny_code_not_applied"
        );
    }
}

/// Reports that a response would be denied without `dry_run`.
fn denied_in_dry_run(cause: &str) {
    info!("ai-data-masking: dry run: would deny a response ({RESPONSE_DENIED}) by {cause}");
    DENIED_DRY.add(1);
}
