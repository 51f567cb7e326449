//! Replays `cases.yaml`.

testkit::cases!(key_auth);
