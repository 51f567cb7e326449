//! Answers requests, or replaces responses with certain statuses.

use sdk::prelude::*;

mod config;

use crate::config::{Config, When};

struct CustomResponse;

#[plugin]
impl Plugin for CustomResponse {
    type Config = Config;

    fn on_request_headers(_: &mut RequestHeaders, config: &Config) -> Flow {
        match &config.when {
            When::Request(answer) => Flow::Reply(answer.reply("custom-response.answered")),
            When::Status(_) => Flow::Continue,
        }
    }

    fn on_response_headers(response: &mut ResponseHeaders, config: &Config) -> Flow {
        let When::Status(statuses) = &config.when else { return Flow::Continue };
        let Some(answer) = statuses.answer(response.status()) else { return Flow::Continue };
        let mut reply = answer.reply("custom-response.replaced");
        // Without them, the page that sent the request could not read the replacement.
        for (name, value) in response.all().iter() {
            if (name.starts_with(b"access-control-") || name == b"vary")
                && let Ok(name) = str::from_utf8(name)
                && !answer.has(name)
            {
                reply = reply.header(name, value);
            }
        }
        Flow::Reply(reply)
    }
}
