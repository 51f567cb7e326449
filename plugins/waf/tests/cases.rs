//! Replays `cases.yaml`.

mod changes;

testkit::cases!(waf_plugin, changes: changes::changes);
