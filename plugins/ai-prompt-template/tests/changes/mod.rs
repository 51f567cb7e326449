//! Declares the headers of a configuration.

use testkit::{Changes, Value};

/// Returns the changes that the configuration allows.
pub fn changes(_: &Value) -> Changes {
    // Bodies that change have no declared length.
    Changes::none().request("content-length").request("transfer-encoding")
}
