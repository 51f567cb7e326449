//! Replays `cases.yaml`.

mod changes;

testkit::cases!(ai_prompt_decorator, changes: changes::changes);
