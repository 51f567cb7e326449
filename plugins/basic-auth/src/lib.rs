//! Authenticates requests with user names and passwords (RFC 7617).

use auth::request::{self, Need};
use sdk::prelude::*;
use sdk::{HeaderMap, Status, time};

mod config;
mod rules;

use crate::config::Config;

struct BasicAuth;

#[plugin]
impl Plugin for BasicAuth {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        let headers = request.all();
        authenticate(request, &headers, config).unwrap_or_else(|Status(status)| {
            error!("basic-auth: a request cannot be authenticated: host status {status}");
            Self::ON_FAILURE.flow("basic-auth.host_failure")
        })
    }
}

fn authenticate(request: &RequestHeaders, headers: &HeaderMap, config: &Config) -> Result<Flow, Status> {
    if request::need(request, headers, &config.access)? == Need::None {
        return Ok(Flow::Continue);
    }
    let verified = rules::verify(&config.users, headers, time::nanoseconds)?;
    request::finish(request, headers, &config.access, verified, || rules::not_allowed(&config.users))
}
