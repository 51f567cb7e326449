//! Replays `cases.yaml`.

testkit::cases!(key_rate_limit);
