//! Replays `cases.yaml`.

mod changes;

testkit::cases!(de_graphql, changes: changes::changes);
