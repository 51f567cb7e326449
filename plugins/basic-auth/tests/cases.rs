//! Replays `cases.yaml`.

mod changes;

testkit::cases!(basic_auth, changes: changes::changes);
