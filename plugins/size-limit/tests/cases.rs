//! Replays `cases.yaml`.

mod changes;

testkit::cases!(size_limit, changes: changes::changes);
