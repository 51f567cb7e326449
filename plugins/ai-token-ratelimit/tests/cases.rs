//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ai_token_ratelimit, changes: changes::changes);
