//! Declares the headers of a configuration.

use testkit::{Changes, Value, texts};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let names = ["key", "oldKey", "newKey", "toKey"].into_iter().flat_map(|key| texts(configuration, key));
    let changes = Changes::none().request(":path").request("accept-encoding");
    // Bodies that change have no declared length.
    let changes = ["content-length", "transfer-encoding"]
        .into_iter()
        .fold(changes, |changes, name| changes.request(name).response(name));
    names.fold(changes, |changes, name| changes.request(name).response(name))
}
