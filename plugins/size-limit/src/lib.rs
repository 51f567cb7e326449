//! Refuses requests whose body, headers or URL are too large.

use sdk::prelude::*;

mod config;
mod rules;

use crate::config::Config;
use crate::rules::{Count, Excess};

struct SizeLimit;

#[plugin]
impl Plugin for SizeLimit {
    type Config = Config;
    type State = Count;

    fn on_request_headers(request: &mut RequestHeaders<Count>, config: &Config) -> Flow {
        if request.end_of_stream() && !config.limits_headers() {
            return Flow::Continue;
        }
        *request.state = Count::new(config, request.kind());
        match rules::judge(config, request.all().iter()) {
            None => Flow::Continue,
            Some(excess) => {
                let flow = refuse(excess, config);
                if config.dry_run {
                    // It has been reported.
                    *request.state = Count::Unlimited;
                }
                flow
            }
        }
    }

    fn on_request_body(body: &mut RequestBody<Count>, config: &Config) -> Flow {
        let exceeds = if body.state.reads() {
            let chunk = body.chunk();
            body.state.read(config, &chunk)
        } else {
            let bytes = body.size();
            body.state.add(config, bytes)
        };
        if !exceeds {
            return Flow::Continue;
        }
        *body.state = Count::Unlimited;
        refuse(Excess::Body, config)
    }

    fn holds_request_body(_: &Config) -> bool {
        false
    }
}

fn refuse(excess: Excess, config: &Config) -> Flow {
    let (status, details, cause, body) = match excess {
        Excess::Body => {
            (StatusCode::PAYLOAD_TOO_LARGE, "size-limit.body", "max_body_bytes", "Payload Too Large")
        }
        Excess::HeaderBytes => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "size-limit.header_bytes",
            "max_header_bytes",
            "Request Header Fields Too Large",
        ),
        Excess::Headers => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "size-limit.headers",
            "max_headers",
            "Request Header Fields Too Large",
        ),
        Excess::Url => (StatusCode::URI_TOO_LONG, "size-limit.url", "max_url_bytes", "URI Too Long"),
    };
    Flow::Reply(Reply::new(status).details(details).cause(cause).body(body).dry_run(config.dry_run))
}
