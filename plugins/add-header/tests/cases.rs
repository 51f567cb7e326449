//! Replays `cases.yaml`.

testkit::cases!(add_header);
