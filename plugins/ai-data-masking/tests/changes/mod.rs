//! Bodies that may be masked have no declared length, and answers must come in a form that can be read.

use testkit::{Changes, Value};

/// What the plug-in may change under this configuration.
pub fn changes(configuration: &Value) -> Changes {
    if configuration.is_null() {
        return Changes::none();
    }
    Changes::none().request("accept-encoding").request("content-length").response("content-length")
}
