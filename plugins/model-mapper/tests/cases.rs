//! Replays `cases.yaml`.

mod changes;

testkit::cases!(model_mapper, changes: changes::changes);
