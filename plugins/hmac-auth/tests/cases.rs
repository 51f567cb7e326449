//! Replays `cases.yaml`.

mod changes;

testkit::cases!(hmac_auth, changes: changes::changes);
