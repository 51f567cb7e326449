//! Sets a header by conditions or by weights, for routing.

use std::hash::{BuildHasher, RandomState};

use sdk::prelude::*;

mod config;
mod rules;

use crate::config::Config;

struct TrafficTag;

thread_local! {
    /// Seeded once by the gateway. Hashes of successive numbers are even, and no client can predict them.
    static RANDOM: RandomState = RandomState::new();
    static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[plugin]
impl Plugin for TrafficTag {
    const ON_FAILURE: Failure = Failure::Open;

    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        let headers = request.all();
        if let Some(tag) = rules::tag(config, &headers, random) {
            request.set(&tag.name, &tag.value);
        }
        Flow::Continue
    }
}

fn random() -> u64 {
    let count = COUNT.get().wrapping_add(1);
    COUNT.set(count);
    RANDOM.with(|random| random.hash_one(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_shares_are_even() {
        let gray = (0..10_000).filter(|_| random() % 100 < 30).count();
        assert!((2_700..3_300).contains(&gray), "{gray}");
    }
}
