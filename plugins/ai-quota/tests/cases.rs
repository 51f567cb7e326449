//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ai_quota, changes: changes::changes);
