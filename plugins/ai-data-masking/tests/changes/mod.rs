//! Declares the headers changed for masking: the length of bodies, and the accepted encodings of responses.

use testkit::{Changes, Value};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    if configuration.is_null() {
        return Changes::none();
    }
    Changes::none().request("accept-encoding").request("content-length").response("content-length")
}
