//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ai_statistics, changes: changes::changes);
