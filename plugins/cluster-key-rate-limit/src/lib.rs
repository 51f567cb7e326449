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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_told_the_limits_of_the_readme() {
        let configuration = r#"{"rule_name": "api", "rule_items": [
            {"limit_by_header": "x-api-key", "limit_keys": [{"key": "gold", "query_per_minute": 1000}]},
            {"limit_by_per_header": "x-user", "limit_keys": [{"key": "*", "query_per_second": 100}]}],
            "rate_limit_service": {"service_name": "limits.dns", "domain": "gateway"}}"#;
        let document =
            config::Document::<Config<ClusterKeyRateLimit>>::from_json(configuration.as_bytes()).unwrap();
        let limits = <ClusterKeyRateLimit as Plugin>::service_limits(&document.global.unwrap());
        let limit = |limit: &str, amount, seconds, per_key| ServiceLimit {
            domain: "gateway".into(),
            limit: limit.into(),
            amount,
            seconds,
            per_key,
        };
        let expected = [
            limit("api:limit_by_header:x-api-key:gold:1000/minute", 1000, 60, false),
            limit("api:limit_by_per_header:x-user:*:100/second", 100, 1, true),
        ];
        assert_eq!(limits, expected);
    }
}
