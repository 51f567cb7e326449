//! Limits request rates by header, parameter, cookie, consumer or address.

use std::rc::Rc;
use std::time::Duration;

use limits::{Config, Names, Quota};
use sdk::prelude::*;
use sdk::quota::{self, ServiceLimit};

struct KeyRateLimit;

impl Names for KeyRateLimit {
    const PLUGIN: &'static str = "key-rate-limit";
    const REJECTED: &'static str = "key-rate-limit.rejected";
    const HOST_FAILURE: &'static str = "key-rate-limit.host_failure";
    const STORE_UNAVAILABLE: &'static str = "key-rate-limit.store_unavailable";
}

#[plugin(call_outs)]
impl Plugin for KeyRateLimit {
    type Config = Config<KeyRateLimit>;
    type State = Option<Quota>;

    fn service_limits(config: &Self::Config) -> Vec<ServiceLimit> {
        limits::service_limits(config)
    }

    fn on_configured(configurations: &[Rc<Self::Config>]) {
        limits::start(configurations);
    }

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Self::Config) -> Flow {
        limits::count(request, config)
    }

    fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Self::Config) -> Flow {
        limits::show_quota(response, config);
        Flow::Continue
    }

    fn tick_period(config: &Self::Config) -> Duration {
        config.store.tick_period()
    }

    fn on_tick(_: &[Rc<Self::Config>]) {
        quota::wake();
    }
}
