//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ai_prompt_template, changes: changes::changes);
