//! Declares the header added by a configuration.

use testkit::{Changes, Value, texts};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    texts(configuration, "header_name").into_iter().fold(Changes::none(), Changes::request)
}
