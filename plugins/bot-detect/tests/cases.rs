//! Replays `cases.yaml`.

testkit::cases!(bot_detect);
