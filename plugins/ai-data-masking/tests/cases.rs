//! Replays `cases.yaml`.

testkit::cases!(ai_data_masking);
