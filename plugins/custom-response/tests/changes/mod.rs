//! Declares the headers of a configured response.

use testkit::{Changes, Value, values};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let lines = values(configuration, "headers").into_iter().filter_map(Value::as_array).flatten();
    let names = lines.filter_map(Value::as_str).filter_map(|line| line.split_once('='));
    let changes = names.fold(Changes::none(), |changes, (name, _)| changes.reply(name.trim()));
    // Those of a response that is replaced are kept.
    changes.reply_where(|name| name == "vary" || name.starts_with("access-control-"))
}
