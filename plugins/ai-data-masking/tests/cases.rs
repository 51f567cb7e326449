//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ai_data_masking, changes: changes::changes);
