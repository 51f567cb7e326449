//! Declares the headers of a configuration.

use testkit::{Changes, Value, texts};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let names = ["headerName", "defaultTagKey"].into_iter().flat_map(|key| texts(configuration, key));
    names.fold(Changes::none(), Changes::request)
}
