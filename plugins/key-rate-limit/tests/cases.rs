//! Replays `cases.yaml`.

mod changes;

testkit::cases!(key_rate_limit, changes: changes::changes);
