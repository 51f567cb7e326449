//! Replays `cases.yaml`.

mod changes;

testkit::cases!(transformer, changes: changes::changes);
