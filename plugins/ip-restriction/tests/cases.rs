//! Replays `cases.yaml`.

testkit::cases!(ip_restriction);
