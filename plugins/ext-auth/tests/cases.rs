//! Replays `cases.yaml`.

testkit::cases!(ext_auth);
