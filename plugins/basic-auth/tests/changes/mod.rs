//! Declares the headers of basic-auth.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::authentication().reply("retry-after")
}
