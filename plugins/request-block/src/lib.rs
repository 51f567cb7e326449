//! Blocks requests by URL, header and body.

use sdk::HeaderMap;
use sdk::prelude::*;

mod config;
mod rules;

use crate::config::{BodyMode, Config};
use crate::rules::Match;

struct RequestBlock;

#[plugin]
impl Plugin for RequestBlock {
    type Config = Config;
    type State = matcher::literal::LiteralScanner;

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        // One host call reads all headers including `:path`, so no request costs two.
        let found = match &config.headers {
            Some(patterns) => {
                let headers = request.all();
                in_path(config, &headers)
                    .or_else(|| rules::headers(patterns, headers.bytes(), headers.iter()))
            }
            None if !config.checks_urls => None,
            // The SDK has already read them to determine the stream kind.
            None if Self::holds_request_body(config) && !request.end_of_stream() => {
                in_path(config, &request.all())
            }
            None => request.with(":path", |path| rules::url(config, path)),
        };
        match found {
            Some(found) => Flow::Reply(blocked(config, found)),
            None => Flow::Continue,
        }
    }

    fn on_request_body(body: &mut RequestBody<Self::State>, config: &Config) -> Flow {
        let Some(patterns) = &config.bodies else {
            return Flow::Continue;
        };
        let chunk = body.chunk();
        if let Some(index) = body.state.feed(patterns, &chunk) {
            return Flow::Reply(blocked(config, Match::Body(index)));
        }
        match config.body_mode {
            // Open-ended streams are passed on chunk by chunk, because their peers wait for each other.
            BodyMode::Hold if !body.kind().is_open_ended() => Flow::Hold,
            BodyMode::Hold | BodyMode::Stream => Flow::Continue,
        }
    }

    fn holds_request_body(config: &Config) -> bool {
        config.bodies.is_some() && matches!(config.body_mode, BodyMode::Hold)
    }
}

#[inline(never)]
fn in_path(config: &Config, headers: &HeaderMap) -> Option<Match> {
    rules::url(config, headers.get(":path").unwrap_or_default())
}

fn blocked(config: &Config, found: Match) -> Reply {
    Reply::new(config.blocked_code)
        .details(found.details())
        .cause(found.to_string())
        .body(config.blocked_message.as_str())
        .dry_run(config.dry_run)
}
