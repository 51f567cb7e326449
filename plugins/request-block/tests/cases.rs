//! Replays `cases.yaml`.

testkit::cases!(request_block);
