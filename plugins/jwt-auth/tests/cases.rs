//! Replays `cases.yaml`.

mod changes;

testkit::cases!(jwt_auth, changes: changes::changes);
