//! Declares the consumer's header, those with claims, and those with tokens, which may be removed.

use testkit::{Changes, Value, texts, values};

/// Returns the changes that a configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    let fold =
        |name: &str| name.to_ascii_lowercase().replace(|byte: char| !byte.is_ascii_alphanumeric(), "-");
    let mut names: Vec<String> = texts(configuration, "header").into_iter().map(fold).collect();
    names.push("x-mse-consumer".to_owned());
    let mut changes = Changes::none().request_where(move |name| names.contains(&fold(name)));
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
