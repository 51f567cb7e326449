//! Replays `cases.yaml`.

mod changes;

testkit::cases!(real_ip, changes: changes::changes);
