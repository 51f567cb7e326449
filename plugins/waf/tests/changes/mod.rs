//! Declares that no header is changed.

use testkit::{Changes, Value};

/// Returns the changes that every configuration allows.
pub fn changes(_: &Value) -> Changes {
    Changes::none()
}
