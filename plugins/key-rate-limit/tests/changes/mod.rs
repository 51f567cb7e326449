//! The headers that tell clients of their quota.

use testkit::{Changes, Value, values};

/// What the plug-in may change under this configuration.
pub fn changes(configuration: &Value) -> Changes {
    let changes = Changes::none().reply("x-ratelimit-reset");
    if values(configuration, "show_limit_quota_header").iter().all(|shown| **shown == false) {
        return changes;
    }
    changes.response("x-ratelimit-limit").response("x-ratelimit-remaining")
}
