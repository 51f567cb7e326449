//! Replays `cases.yaml`.
fn main() {}
