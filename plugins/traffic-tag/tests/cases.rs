//! Replays `cases.yaml`.

mod changes;

testkit::cases!(traffic_tag, changes: changes::changes);
