//! Declares the headers of hmac-auth.

use testkit::{Changes, Value};

/// Returns the changes that a configuration allows.
pub fn changes(config: &Value) -> Changes {
    let changes = Changes::authentication().reply("x-ca-error-message").reply("content-type");
    let hides = config.get("hide_credentials") == Some(&Value::Bool(true));
    if hides { changes.request("authorization") } else { changes }
}
