//! Declares the header that is changed.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows: upstreams are asked for responses that can be inspected.
pub fn changes(_: &Value) -> Changes {
    Changes::none().request("accept-encoding")
}
