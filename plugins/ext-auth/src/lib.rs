//! Asks an HTTP authorization service about each request.

use sdk::call::{CallError, HttpCall, HttpResponse};
use sdk::prelude::*;
use sdk::property::Property;
use sdk::{HeaderMap, WaitingRequest};

mod config;
mod fields;
mod pattern;
mod rules;
mod statuses;

use crate::config::{Config, WithoutVerdict};
use crate::rules::{FAILURE_ALLOWED, Question, Request, Verdict};

/// Requests that passed because the service gave no verdict.
static FAILURE_MODE_ALLOWED: Counter = Counter::new("ext-auth.failure_mode_allowed");

/// How many bytes of a request's body Higress holds.
const BUFFER_LIMIT: Property<Vec<u8>> = Property::new("set_decoder_buffer_limit");

/// A request while the service is asked.
type Waiting = WaitingRequest<State>;

struct ExtAuth;

/// What one request keeps.
#[derive(Default)]
struct State {
    /// What goes to the service once the body is there.
    question: Option<Question>,
}

#[plugin(call_outs)]
impl Plugin for ExtAuth {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let headers = request.all();
        let seen = Request::new(headers.iter());
        let is_asked = rules::is_asked(config, &seen, || headers.iter());
        // Whether or not the service is asked: what the upstream finds under these names is the service's word.
        remove_services_own(request, &headers, config);
        if is_asked { ask_about(request, config, &seen, &headers) } else { Flow::Continue }
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        let (Some(max), Some(question)) = (config.max_body, body.state.question.take()) else {
            return Flow::Continue;
        };
        if body.size() > max {
            return Flow::Reply(too_large(config));
        }
        if !body.is_last() {
            body.state.question = Some(question);
            return Flow::Hold;
        }
        let bytes = body.all();
        body.wait(config, async |request, config| {
            decide(request, &config, ask(&config, question, bytes).await)
        })
    }

    fn holds_request_body(config: &Config) -> bool {
        config.max_body.is_some()
    }
}

/// Asks the service about a request, or holds its head until the body that goes along is there.
#[inline(never)]
fn ask_about(
    request: &mut RequestHeaders<State>,
    config: &Config,
    seen: &Request<'_>,
    headers: &HeaderMap,
) -> Flow {
    let max_body = config.max_body.filter(|_| !request.end_of_stream());
    let streams = max_body.is_some() && request.kind().is_open_ended();
    let question = rules::question(config, seen, headers.iter(), streams);
    match max_body {
        Some(max) if !streams => hold(request, config, headers, question, max),
        _ => request.wait(config, async |request, config| {
            decide(request, &config, ask(&config, question, Vec::new()).await)
        }),
    }
}

/// Holds the head of a request, unless it says that its body is too large.
#[inline(never)]
fn hold(
    request: &mut RequestHeaders<State>,
    config: &Config,
    headers: &HeaderMap,
    question: Question,
    max: usize,
) -> Flow {
    if rules::declares_more(max, headers.values("content-length")) {
        return Flow::Reply(too_large(config));
    }
    // Higress holds 32 KiB unless a plug-in says more; to other gateways this means nothing.
    let _ = BUFFER_LIMIT.set(max.to_string());
    request.state.question = Some(question);
    Flow::Hold
}

/// Asks the service.
async fn ask(config: &Config, question: Question, body: Vec<u8>) -> Result<HttpResponse, CallError> {
    let mut call = HttpCall::new(question.method, config.service.clone(), question.path).body(body);
    for (name, value) in question.headers {
        call = call.header(name, value);
    }
    call.timeout(config.timeout).send().await
}

fn remove_services_own(request: &RequestHeaders<State>, headers: &HeaderMap, config: &Config) {
    for (name, _) in headers.iter().filter(|(name, _)| rules::is_services_own(config, name)) {
        request.remove(name);
    }
}

fn decide(request: &Waiting, config: &Config, answer: Result<HttpResponse, CallError>) -> Flow {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return without_verdict(request, config, &error.to_string()),
    };
    match rules::verdict(&config.allowed_statuses, answer.status()) {
        Verdict::Allowed => {
            allow(request, config, &answer.headers);
            Flow::Continue
        }
        Verdict::Refused(status) => refuse(config, status, answer),
        Verdict::RefusedAsSuccess => {
            warn!(
                "ext-auth: the authorization service answers {}, which is not one of `allowed_statuses`: the request is \
                 refused",
                answer.status()
            );
            Flow::Reply(refusal(config, config.status_on_error))
        }
        Verdict::None => without_verdict(request, config, &format!("status {}", answer.status())),
    }
}

/// Sets the chosen headers of the answer on the request, with all their values.
fn allow(request: &Waiting, config: &Config, headers: &HeaderMap) {
    let chosen = || headers.iter().filter(|(name, _)| config.allowed_upstream_headers.matches(name));
    for (name, value) in chosen() {
        // The client's copies are gone, so that the first added is the first there.
        request.add(name, value);
    }
}

#[inline(never)]
fn refuse(config: &Config, status: u16, answer: HttpResponse) -> Flow {
    let status = ::config::StatusCode::try_from(u32::from(status)).unwrap_or(config.status_on_error);
    let mut reply = refusal(config, status).body(answer.body);
    for (name, value) in answer.headers.iter().filter(|(name, _)| rules::is_relayed(config, name)) {
        reply = reply.header(String::from_utf8_lossy(name), value);
    }
    Flow::Reply(reply)
}

#[inline(never)]
fn refusal(config: &Config, status: ::config::StatusCode) -> Reply {
    Reply::new(status)
        .details("ext-auth.unauthorized")
        .cause("the answer of http_service")
        .dry_run(config.dry_run)
}

/// The answer to a request whose body is larger than the service gets.
fn too_large(config: &Config) -> Reply {
    Reply::new(::config::StatusCode::PAYLOAD_TOO_LARGE)
        .details("ext-auth.body_too_large")
        .cause("max_request_body_bytes")
        .dry_run(config.dry_run)
}

#[inline(never)]
fn without_verdict(request: &Waiting, config: &Config, why: &str) -> Flow {
    match config.without_verdict {
        WithoutVerdict::Pass { tell } => {
            warn!("ext-auth: the authorization service gives no verdict: {why}: the request passes");
            FAILURE_MODE_ALLOWED.add(1);
            if tell {
                request.set(FAILURE_ALLOWED, "true");
            }
            Flow::Continue
        }
        WithoutVerdict::Answer => {
            warn!("ext-auth: the authorization service gives no verdict: {why}");
            let reply = Reply::new(config.status_on_error)
                .details("ext-auth.no_verdict")
                .cause("http_service")
                .dry_run(config.dry_run);
            Flow::Reply(reply)
        }
    }
}
