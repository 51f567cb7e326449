//! Replays `cases.yaml`.

testkit::cases!(replay_protection);
