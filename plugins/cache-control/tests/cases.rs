//! Replays `cases.yaml`.

mod changes;

testkit::cases!(cache_control, changes: changes::changes);
