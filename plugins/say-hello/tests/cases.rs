//! Replays `cases.yaml`.

testkit::cases!(say_hello);
