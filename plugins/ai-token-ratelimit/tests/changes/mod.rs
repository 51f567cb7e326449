//! Declares the headers of requests and answers that are read and changed.

use testkit::{Changes, Value};

/// Returns the changes that any configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none()
        .request("accept-encoding")
        .request("content-length")
        .response("content-length")
        .reply("x-tokenratelimit-reset")
        // A charge after the answer is the gateway's own call, not that of a request.
        .shared_calls()
        // An answer is charged at its end.
        .depends_on_order()
}
