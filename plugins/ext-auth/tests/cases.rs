//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ext_auth, changes: changes::changes);
