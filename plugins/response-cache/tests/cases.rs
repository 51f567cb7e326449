//! Replays `cases.yaml`.

mod changes;

testkit::cases!(response_cache, changes: changes::changes);
