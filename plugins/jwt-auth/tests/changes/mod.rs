//! Declares the consumer's header, those with claims, and those with tokens, which may be removed.

use testkit::{Changes, Value, texts, values};

/// Returns the changes that a configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let names = std::iter::once("x-mse-consumer").chain(texts(configuration, "header"));
    let mut changes = names.fold(Changes::none(), Changes::request_spellings);
    if values(configuration, "keep_token").iter().any(|value| value.as_bool() == Some(false)) {
        let mut names: Vec<String> =
            texts(configuration, "name").into_iter().map(str::to_ascii_lowercase).collect();
        names.extend(["authorization", "cookie", ":path"].map(str::to_owned));
        changes = changes.request_where(move |name| names.iter().any(|known| known == name));
    }
    // A refusal has a challenge; keys that one request has fetched serve others.
    let changes = changes.reply("www-authenticate").shared_calls();
    match values(configuration, "remote_jwks").is_empty() {
        true => changes,
        // They are there for the requests that come after the first.
        false => changes.depends_on_order(),
    }
}
