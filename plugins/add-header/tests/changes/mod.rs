//! The header that a configuration adds, and no other.

use testkit::{Changes, Value, texts};

/// What the plug-in may change under this configuration.
pub fn changes(configuration: &Value) -> Changes {
    texts(configuration, "header_name").into_iter().fold(Changes::none(), Changes::request)
}
