//! Authorizes requests with an external HTTP service.

use sdk::call::{CallError, HttpCall, HttpResponse};
use sdk::prelude::*;
use sdk::property::Property;
use sdk::{HeaderMap, WaitingRequest};

mod config;
mod fields;
mod pattern;
mod rules;
mod statuses;

use crate::config::{Config, NoDecision};
use crate::rules::{AuthRequest, FAILURE_ALLOWED, Request, Verdict};

/// Requests that passed without a decision of the service.
static FAILURE_MODE_ALLOWED: Counter = Counter::new("ext-auth.failure_mode_allowed");

/// The number of bytes of a request body that Higress holds.
const BUFFER_LIMIT: Property<Vec<u8>> = Property::new("set_decoder_buffer_limit");

/// A request during the call.
type Waiting = WaitingRequest<State>;

struct ExtAuth;

/// State of a request.
#[derive(Default)]
struct State {
    /// Sent to the service after the body has arrived.
    auth_request: Option<AuthRequest>,
}

#[plugin(call_outs)]
impl Plugin for ExtAuth {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let headers = request.all();
        let parts = Request::new(headers.iter());
        let is_authorized = rules::needs_authorization(config, &parts, || headers.iter());
        // Also for exempt requests, because the upstream trusts these headers.
        remove_service_headers(request, &headers, config);
        if is_authorized { authorize(request, config, &parts, &headers) } else { Flow::Continue }
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        let (Some(max), Some(auth_request)) = (config.max_body, body.state.auth_request.take()) else {
            return Flow::Continue;
        };
        if body.size() > max {
            return Flow::Reply(too_large(config));
        }
        if !body.is_last() {
            body.state.auth_request = Some(auth_request);
            return Flow::Hold;
        }
        let bytes = body.all();
        body.wait(config, async |request, config| {
            decide(request, &config, call_service(&config, auth_request, bytes).await)
        })
    }

    fn holds_request_body(config: &Config) -> bool {
        config.max_body.is_some()
    }
}

/// Calls the service, or holds the headers until the body has arrived if it is sent as well.
#[inline(never)]
fn authorize(
    request: &mut RequestHeaders<State>,
    config: &Config,
    parts: &Request<'_>,
    headers: &HeaderMap,
) -> Flow {
    let max_body = config.max_body.filter(|_| !request.end_of_stream());
    let is_partial = max_body.is_some() && request.kind().is_open_ended();
    let auth_request = rules::auth_request(config, parts, headers.iter(), is_partial);
    match max_body {
        Some(max) if !is_partial => hold(request, config, headers, auth_request, max),
        _ => request.wait(config, async |request, config| {
            decide(request, &config, call_service(&config, auth_request, Vec::new()).await)
        }),
    }
}

/// Holds the headers of a request, unless its declared body is too large.
#[inline(never)]
fn hold(
    request: &mut RequestHeaders<State>,
    config: &Config,
    headers: &HeaderMap,
    auth_request: AuthRequest,
    max: usize,
) -> Flow {
    if rules::declares_more(max, headers.values("content-length")) {
        return Flow::Reply(too_large(config));
    }
    // Higress holds 32 KiB by default. Other gateways ignore the property.
    let _ = BUFFER_LIMIT.set(max.to_string());
    request.state.auth_request = Some(auth_request);
    Flow::Hold
}

/// Calls the service.
async fn call_service(
    config: &Config,
    auth_request: AuthRequest,
    body: Vec<u8>,
) -> Result<HttpResponse, CallError> {
    let mut call = HttpCall::new(auth_request.method, config.service.clone(), auth_request.path).body(body);
    for (name, value) in auth_request.headers {
        call = call.header(name, value);
    }
    call.timeout(config.timeout).send().await
}

/// Removes headers that only the service may set.
fn remove_service_headers(request: &RequestHeaders<State>, headers: &HeaderMap, config: &Config) {
    for (name, _) in headers.iter().filter(|(name, _)| rules::is_service_header(config, name)) {
        request.remove(name);
    }
}

fn decide(request: &Waiting, config: &Config, result: Result<HttpResponse, CallError>) -> Flow {
    let response = match result {
        Ok(response) => response,
        Err(error) => return no_decision(request, config, &error.to_string()),
    };
    match rules::verdict(&config.allowed_statuses, response.status()) {
        Verdict::Allowed => {
            allow(request, config, &response.headers);
            Flow::Continue
        }
        Verdict::Refused(status) => refuse(config, status, response),
        Verdict::RefusedAsSuccess => {
            warn!(
                "ext-auth: the authorization service returned {}, which is not one of `allowed_statuses`: the request is \
                 refused",
                response.status()
            );
            Flow::Reply(refusal(config, config.status_on_error))
        }
        Verdict::None => no_decision(request, config, &format!("status {}", response.status())),
    }
}

/// Sets `allowed_upstream_headers` of the response on the request, with all their values.
fn allow(request: &Waiting, config: &Config, headers: &HeaderMap) {
    let allowed = headers.iter().filter(|(name, _)| config.allowed_upstream_headers.matches(name));
    for (name, value) in allowed {
        // The client's copies have been removed.
        request.add(name, value);
    }
}

#[inline(never)]
fn refuse(config: &Config, status: u16, response: HttpResponse) -> Flow {
    let status = ::config::StatusCode::try_from(u32::from(status)).unwrap_or(config.status_on_error);
    let mut reply = refusal(config, status).body(response.body);
    for (name, value) in response.headers.iter().filter(|(name, _)| rules::is_relayed(config, name)) {
        reply = reply.header(String::from_utf8_lossy(name), value);
    }
    Flow::Reply(reply)
}

#[inline(never)]
fn refusal(config: &Config, status: ::config::StatusCode) -> Reply {
    Reply::new(status)
        .details("ext-auth.unauthorized")
        .cause("the response of http_service")
        .dry_run(config.dry_run)
}

/// Returns the response to a request whose body is too large for the service.
fn too_large(config: &Config) -> Reply {
    Reply::new(::config::StatusCode::PAYLOAD_TOO_LARGE)
        .details("ext-auth.body_too_large")
        .cause("max_request_body_bytes")
        .dry_run(config.dry_run)
}

#[inline(never)]
fn no_decision(request: &Waiting, config: &Config, reason: &str) -> Flow {
    match config.no_decision {
        NoDecision::Pass { add_header } => {
            warn!("ext-auth: no decision from the authorization service: {reason}: the request passes");
            FAILURE_MODE_ALLOWED.add(1);
            if add_header {
                request.set(FAILURE_ALLOWED, "true");
            }
            Flow::Continue
        }
        NoDecision::Reply => {
            warn!("ext-auth: no decision from the authorization service: {reason}");
            let reply = Reply::new(config.status_on_error)
                .details("ext-auth.no_verdict")
                .cause("http_service")
                .dry_run(config.dry_run);
            Flow::Reply(reply)
        }
    }
}
