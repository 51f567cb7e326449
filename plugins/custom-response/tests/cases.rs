//! Replays `cases.yaml`.

mod changes;

testkit::cases!(custom_response, changes: changes::changes);
