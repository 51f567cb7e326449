//! Replays `cases.yaml`.

mod changes;

testkit::cases!(add_header, changes: changes::changes);
