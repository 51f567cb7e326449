//! Replays `cases.yaml`.

mod changes;

testkit::cases!(model_router, changes: changes::changes);
