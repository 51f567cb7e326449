//! Declares the header that asks for answers that can be read.

use testkit::{Changes, Value};

/// Returns the changes that any configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none().request("accept-encoding")
}
