//! Blocks crawlers and other programs by their User-Agent.

use sdk::prelude::*;

mod bots;
mod config;

use crate::config::Config;

struct BotDetect;

#[plugin]
impl Plugin for BotDetect {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        // Envoy joins repeated values, so one host call returns all of them.
        let blocked = request.with("user-agent", |agent| Some(config.cause(agent))).unwrap_or_else(|| {
            let is_denied = config.denies_missing;
            is_denied.then(|| "missing_user_agent".to_owned())
        });
        match blocked {
            None => Flow::Continue,
            Some(cause) => Flow::Reply(
                Reply::new(config.blocked_code)
                    .details("bot-detect.blocked")
                    .cause(cause)
                    .body(config.blocked_message.as_str())
                    .dry_run(config.dry_run),
            ),
        }
    }
}
