//! Refuses requests whose headers or JSON body do not conform to a JSON Schema.

use json_schema::Invalid;
use sdk::prelude::*;

mod config;
mod rules;

use crate::config::Config;
use crate::rules::Problem;

struct RequestValidation;

/// What is known of a request when its body arrives.
#[derive(Default)]
struct State {
    /// The body is validated.
    validates: bool,
    /// A request with this method has a body.
    needs_body: bool,
    /// The upstream may read the body as a form.
    is_form: bool,
}

#[plugin]
impl Plugin for RequestValidation {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let kind = request.kind();
        if let Some(schema) = &config.headers
            && let Err(problem) = rules::check_headers(schema, request.all().iter())
        {
            return refuse(config, "request-validation.headers", "header_schema", &problem);
        }
        if config.body.is_none() {
            return Flow::Continue;
        }
        match kind {
            // These have no body: what follows are bytes of another protocol, which an upstream that expects a request
            // does not receive.
            StreamKind::Upgrade | StreamKind::Connect => return Flow::Continue,
            // Any client can claim this content type, and an upstream may ignore it.
            StreamKind::Grpc => {
                return refuse(config, "request-validation.not_json", "body_schema", &Problem::NotJson);
            }
            StreamKind::Message => {}
        }
        let needs_body = request.with(":method", rules::needs_body);
        if request.end_of_stream() {
            return match needs_body {
                true => refuse(config, "request-validation.not_json", "body_schema", &Problem::NotJson),
                false => Flow::Continue,
            };
        }
        let is_form = request.with("content-type", rules::is_form);
        *request.state = State { validates: true, needs_body, is_form };
        Flow::Continue
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        let Some(schema) = config.body.as_ref().filter(|_| body.state.validates) else {
            return Flow::Continue;
        };
        if body.state.is_form && body.size() > 0 {
            return refuse(config, "request-validation.not_json", "body_schema", &Problem::NotJson);
        }
        if body.size() > config.max_body {
            let reply = Reply::new(StatusCode::PAYLOAD_TOO_LARGE);
            return Flow::Reply(reply.details("request-validation.body_size").cause("max_body_bytes"));
        }
        if !body.is_last() {
            return Flow::Hold;
        }
        let bytes = body.all();
        if bytes.is_empty() && !body.state.needs_body {
            return Flow::Continue;
        }
        match rules::check_body(schema, &bytes) {
            Ok(()) => Flow::Continue,
            Err(Problem::NotJson) => {
                refuse(config, "request-validation.not_json", "body_schema", &Problem::NotJson)
            }
            Err(problem) => refuse(config, "request-validation.body", "body_schema", &problem),
        }
    }

    fn holds_request_body(config: &Config) -> bool {
        config.body.is_some()
    }
}

fn refuse(config: &Config, details: &'static str, field: &str, problem: &Problem) -> Flow {
    let (cause, text) = match problem {
        Problem::NotJson => (field.to_owned(), "the body is not valid JSON".to_owned()),
        Problem::Invalid(Invalid::Exhausted) => (field.to_owned(), Invalid::Exhausted.to_string()),
        Problem::Invalid(invalid @ Invalid::Rule { rule, .. }) => {
            (format!("{field}{rule}"), invalid.to_string())
        }
    };
    let body = match (config.verbose, config.message.is_empty()) {
        (false, _) => config.message.clone(),
        (true, true) => text,
        (true, false) => format!("{}: {text}", config.message),
    };
    Flow::Reply(Reply::new(config.status).details(details).cause(cause).body(body))
}
