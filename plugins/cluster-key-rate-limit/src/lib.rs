//! Limits request rates over all replicas of a gateway.

use std::rc::Rc;
use std::time::Duration;

use limits::{Config, Names, Quota};
use sdk::prelude::*;
use sdk::quota::{self, ServiceLimit};

struct ClusterKeyRateLimit;

impl Names for ClusterKeyRateLimit {
    const PLUGIN: &'static str = "cluster-key-rate-limit";
    const REJECTED: &'static str = "cluster-key-rate-limit.rejected";
    const HOST_FAILURE: &'static str = "cluster-key-rate-limit.host_failure";
    const STORE_UNAVAILABLE: &'static str = "cluster-key-rate-limit.store_unavailable";
}

#[plugin(call_outs)]
impl Plugin for ClusterKeyRateLimit {
    type Config = Config<ClusterKeyRateLimit>;
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
