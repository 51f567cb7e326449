//! Masks and denies sensitive words in prompts and answers.

use std::cell::Cell;

use sdk::Counter;
use sdk::prelude::*;

mod answer;
mod config;
mod deny;
mod fields;
mod masks;
#[cfg(test)]
mod oracle;
mod places;
mod raw;
mod roles;
mod stream;
mod whole;
mod window;

use crate::answer::{Denial, Shape};
use crate::config::Config;
use crate::masks::Masks;
use crate::stream::Stream;

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
    /// Whether the answer is this plug-in's own.
    answered: bool,
    response: Response,
}

/// How a response is looked at.
#[derive(Default)]
enum Response {
    /// Not at all.
    #[default]
    Passes,
    /// When all of it is there.
    Whole,
    /// As it comes.
    Stream(Box<Stream>),
    /// It has been denied: nothing more of it goes on.
    Denied,
}

#[plugin]
impl Plugin for AiDataMasking {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        if config.is_idle() {
            return Flow::Continue;
        }
        let headers = request.all();
        if headers.values("accept-encoding").next().is_some() {
            request.set("accept-encoding", "identity");
        }
        if request.end_of_stream() {
            return Flow::Continue;
        }
        if headers.values("content-encoding").any(is_encoded) {
            request.state.answered = true;
            return Failure::Closed.flow(REQUEST_UNREADABLE);
        }
        if config.rules.roles.is_some() && headers.values("content-length").next().is_some() {
            // The body may become another.
            request.remove("content-length");
        }
        if config.hold_headers { Flow::Hold } else { Flow::Continue }
    }

    fn holds_request_body(config: &Config) -> bool {
        !config.is_idle()
    }

    fn holds_response_body(config: &Config) -> bool {
        !config.is_idle()
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> BodyFlow {
        if config.is_idle() {
            return BodyFlow::Continue;
        }
        if !body.is_last() {
            return BodyFlow::Hold;
        }
        let bytes = body.all();
        let Ok(verdict) = whole::request(config, &bytes, &mut body.state.masks) else {
            body.state.answered = true;
            return BodyFlow::Reply(Reply::new(bad_request()).details(REQUEST_UNREADABLE));
        };
        if let Some(changed) = verdict.changed.filter(|_| body.can_replace()) {
            MASKED.add(1);
            body.replace(changed);
        }
        match verdict.denial {
            Some(denial) => {
                body.state.answered = !config.rules.dry_run;
                BodyFlow::Reply(config.answers.reply(denial, REQUEST_DENIED).dry_run(config.rules.dry_run))
            }
            None => BodyFlow::Continue,
        }
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        // Who has no state is answered by somebody in front of this plug-in.
        let end_of_stream = response.end_of_stream();
        if config.is_idle() || end_of_stream || response.state.as_ref().is_none_or(|state| state.answered) {
            return Flow::Continue;
        }
        let headers = response.all();
        let content_type = headers.values("content-type").next().unwrap_or_default();
        let kind = match kind(content_type, config.raw) {
            Response::Passes => return Flow::Continue,
            kind => kind,
        };
        let encoded = headers.values("content-encoding").any(is_encoded);
        if !encoded && headers.values("content-length").next().is_some() {
            // The body may become another.
            response.remove("content-length");
        }
        let Some(state) = &mut response.state else { return Flow::Continue };
        if encoded {
            state.answered = true;
            return Failure::Closed.flow(RESPONSE_UNREADABLE);
        }
        state.response = kind;
        if config.hold_headers { Flow::Hold } else { Flow::Continue }
    }

    fn on_response_body(body: &mut ResponseBody<State>, config: &Config) -> BodyFlow {
        let (last, changeable) = (body.is_last(), body.can_replace());
        let response = match &mut body.state {
            Some(state) => std::mem::take(&mut state.response),
            None => Response::Passes,
        };
        match response {
            Response::Passes => BodyFlow::Continue,
            Response::Whole if !last => {
                put(body, Response::Whole);
                BodyFlow::Hold
            }
            Response::Whole => whole_response(body, config),
            Response::Stream(stream) => stream_piece(body, config, stream, last, changeable),
            Response::Denied => {
                if changeable {
                    body.replace(b"");
                }
                put(body, Response::Denied);
                BodyFlow::Continue
            }
        }
    }
}

/// The verdict on a response that is whole.
fn whole_response(body: &mut ResponseBody<State>, config: &Config) -> BodyFlow {
    let bytes = body.all();
    let empty = Masks::default();
    let masks = body.state.as_ref().map_or(&empty, |state| &state.masks);
    let Ok(verdict) = whole::response(config, &bytes, masks) else {
        UNREADABLE.add(1);
        if config.hold_headers {
            return BodyFlow::Reply(
                Reply::new(::config::StatusCode::SERVICE_UNAVAILABLE).details(RESPONSE_UNREADABLE),
            );
        }
        body.replace(br#"{"error":{"message":"the answer could not be read","type":"ai-data-masking"}}"#);
        return BodyFlow::Continue;
    };
    match verdict.denial {
        Some(denial) if config.rules.dry_run => denied_in_dry_run(denial.cause),
        Some(denial) if config.hold_headers => {
            return BodyFlow::Reply(config.answers.reply(denial, RESPONSE_DENIED));
        }
        Some(denial) => {
            denied_in_place(denial);
            body.replace(config.answers.body(denial.shape));
            return BodyFlow::Continue;
        }
        None => {}
    }
    if let Some(changed) = verdict.changed {
        body.replace(changed);
    }
    BodyFlow::Continue
}

/// What has arrived of a stream.
fn stream_piece(
    body: &mut ResponseBody<State>,
    config: &Config,
    mut stream: Box<Stream>,
    last: bool,
    changeable: bool,
) -> BodyFlow {
    // With headers held, what was not let go of yet is in the gateway's buffer, as it has to go on.
    let began = !stream.shown;
    let all = body.all();
    let (waiting, bytes) = all.split_at_checked(body.held()).unwrap_or((&all, b""));
    let empty = Masks::default();
    let masks = body.state.as_ref().map_or(&empty, |state| &state.masks);
    let output = stream.push(config, masks, bytes, last);
    if stream.dropped > 0 {
        DROPPED.add(std::mem::take(&mut stream.dropped));
    }
    if output.broken {
        return BodyFlow::Reset;
    }
    let goes_on = [waiting, &output.bytes].concat();
    if !changeable {
        // Trailers, and all that was before them has gone on.
        if !output.bytes.is_empty() {
            LOST.add(1);
        }
        return BodyFlow::Continue;
    }
    if goes_on != all {
        body.replace(&goes_on);
    }
    if let Some(denial) = output.denial {
        if config.hold_headers && began && !stream.shown {
            return BodyFlow::Reply(config.answers.reply(denial, RESPONSE_DENIED));
        }
        denied_in_place(denial);
        put(body, Response::Denied);
        return BodyFlow::Continue;
    }
    let hold = config.hold_headers && !stream.shown && !last;
    put(body, Response::Stream(stream));
    if hold { BodyFlow::Hold } else { BodyFlow::Continue }
}

fn put(body: &mut ResponseBody<State>, response: Response) {
    if let Some(state) = &mut body.state {
        state.response = response;
    }
}

/// How a response of this content type is looked at.
fn kind(content_type: &[u8], raw: bool) -> Response {
    let lower = content_type.to_ascii_lowercase();
    let has = |part: &[u8]| lower.windows(part.len()).any(|window| window == part);
    if lower.starts_with(b"text/event-stream") {
        Response::Stream(Box::default())
    } else if raw || lower.is_empty() || lower.starts_with(b"text/") || has(b"json") {
        Response::Whole
    } else {
        Response::Passes
    }
}

/// Whether a content coding is one that has to be undone to read a body.
fn is_encoded(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

fn bad_request() -> ::config::StatusCode {
    ::config::StatusCode::try_from(400).unwrap_or(::config::StatusCode::FORBIDDEN)
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
        Shape::Stream(_) => "is ended",
        Shape::Completion | Shape::Raw => "has another body",
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
