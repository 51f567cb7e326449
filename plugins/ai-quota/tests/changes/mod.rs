//! Declares the headers of requests and answers that are read and changed.

use testkit::{Changes, Value};

/// Returns the changes that any configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none()
        .request("accept-encoding")
        .request("content-length")
        .response("content-length")
        // An answer is charged at its end.
        .depends_on_order()
}
