//! Replays `cases.yaml`.

mod changes;

testkit::cases!(request_validation, changes: changes::changes);
