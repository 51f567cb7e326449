//! Replays `cases.yaml`.

mod changes;

testkit::cases!(cors, changes: changes::changes);
