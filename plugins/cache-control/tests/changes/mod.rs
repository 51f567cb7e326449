//! Declares the headers of caches.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none().response("expires").response("cache-control")
}
