//! Authenticates requests with API keys in headers and query parameters.

use sdk::Status;
use sdk::prelude::*;

mod config;
mod rules;

use crate::config::Config;

struct KeyAuth;

#[plugin]
impl Plugin for KeyAuth {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        let headers = request.all();
        let verify = || rules::verify(&config.keys, &headers);
        let decided = auth::request::decide(request, &headers, &config.access, verify, || {
            rules::not_allowed(&config.keys)
        });
        decided.unwrap_or_else(|Status(status)| {
            error!("key-auth: a request cannot be authenticated: host status {status}");
            Self::ON_FAILURE.flow("key-auth.host_failure")
        })
    }
}
