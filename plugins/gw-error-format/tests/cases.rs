//! Replays `cases.yaml`.

mod changes;

testkit::cases!(gw_error_format, changes: changes::changes);
