//! Declares the header that clients see, and the one that upstreams do not.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows.
pub fn changes(_: &Value) -> Changes {
    // A response from the cache has all headers of the stored one.
    Changes::none()
        .request("accept-encoding")
        .request("if-none-match")
        .request("if-modified-since")
        .response("x-cache-status")
        .reply_where(|_| true)
        .depends_on_order()
}
