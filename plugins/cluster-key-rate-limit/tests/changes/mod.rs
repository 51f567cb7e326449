//! Declares the quota headers.

use testkit::{Changes, Value, values};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    // A share of a limit serves several requests, and those after the one that fetches it.
    let mut changes = Changes::none().reply("x-ratelimit-reset").shared_calls();
    if values(configuration, "mode").iter().any(|mode| **mode == "lease") {
        changes = changes.depends_on_order();
    }
    if values(configuration, "show_limit_quota_header").iter().all(|shown| **shown == false) {
        return changes;
    }
    changes.response("x-ratelimit-limit").response("x-ratelimit-remaining")
}
