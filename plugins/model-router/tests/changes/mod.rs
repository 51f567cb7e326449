//! Declares the headers of a configuration.

use testkit::{Changes, Value, texts};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let names = ["addProviderHeader", "modelToHeader"].into_iter().flat_map(|key| texts(configuration, key));
    // Bodies that change have no declared length.
    let changes = Changes::none().request("content-length").request("transfer-encoding");
    names.fold(changes.request("x-higress-llm-model"), Changes::request)
}
