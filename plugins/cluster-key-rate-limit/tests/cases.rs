//! Replays `cases.yaml`.

mod changes;

testkit::cases!(cluster_key_rate_limit, changes: changes::changes);
