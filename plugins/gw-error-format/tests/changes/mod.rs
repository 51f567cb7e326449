//! Declares the headers of a configuration.

use testkit::{Changes, Value, values};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let entries = values(configuration, "set_header").into_iter().filter_map(Value::as_array).flatten();
    let names = entries.filter_map(Value::as_object).flat_map(|entry| entry.keys());
    names.fold(Changes::none(), |changes, name| changes.response(name).reply(name))
}
