//! Replays `cases.yaml`.

testkit::cases!(key_auth, changes: |_| testkit::Changes::authentication());
