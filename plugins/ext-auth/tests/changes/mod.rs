//! Declares the headers set by the authorization service, on requests and refusals.

use testkit::{Changes, Value, values};

/// Returns the changes that the configuration allows.
pub fn changes(configuration: &Value) -> Changes {
    // Only the plug-in sets this header, for requests from any client.
    let mut changes = Changes::none().request_spellings("x-envoy-auth-failure-mode-allowed");
    for pattern in
        values(configuration, "allowed_upstream_headers").into_iter().filter_map(Value::as_array).flatten()
    {
        for (kind, text) in pattern.as_object().into_iter().flatten() {
            let (kind, text) = (kind.clone(), text.as_str().unwrap_or_default().to_ascii_lowercase());
            let matches = move |name: &str, text: &str| match kind.as_str() {
                "exact" => name == text,
                "prefix" => name.starts_with(text),
                "suffix" => name.ends_with(text),
                "contains" => name.contains(text),
                kind => kind == "regex",
            };
            changes = changes.request_where(move |name| {
                matches(name, &text)
                    || matches(&mapped(name), &text)
                    || matches(&mapped(name), &mapped(&text))
            });
        }
    }
    // A refusal has the headers of the service's response, which the cases check.
    changes.reply_where(|_| true)
}

/// Returns the name as many upstreams read it.
fn mapped(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}
