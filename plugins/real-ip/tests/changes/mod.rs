//! Declares the header of the client's address.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none().request_spellings("x-real-ip")
}
