//! Declares the headers of CORS.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none().response("vary").response_where(|name| name.starts_with("access-control-"))
}
