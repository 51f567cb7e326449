//! Many headers that one plug-in changes at once, as the next plug-in and the upstream receive them.

use serde_json::{Map, Value, json};

use crate::served::{Folder, Served, get};

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn twenty_headers_are_read_twenty_added_and_ten_removed() {
    let value = |i: usize, of: &str| format!("value {i} of the {of}");
    let of_client: Vec<_> = (0..20).map(|i| (format!("x-client-{i}"), value(i, "client"))).collect();
    let of_gateway: Vec<_> = (0..20).map(|i| (format!("x-added-{i}"), value(i, "gateway"))).collect();
    let expected: Map<String, Value> =
        of_client[10..].iter().chain(&of_gateway).map(|(name, value)| (name.clone(), json!(value))).collect();

    let added: Vec<_> =
        of_gateway.iter().map(|(name, value)| json!({ "key": name, "value": value })).collect();
    let removed: Vec<_> = of_client[..10].iter().map(|(name, _)| json!({ "key": name })).collect();
    let transformer = json!({ "reqRules": [
        { "operate": "add", "headers": added },
        { "operate": "remove", "headers": removed },
    ] });
    // A header of these two kinds that is not expected is refused, and so is any other value, such as a repeated one.
    let values: Map<String, Value> =
        expected.iter().map(|(name, value)| (name.clone(), json!({ "const": value }))).collect();
    let validation = json!({ "verbose": true, "header_schema": {
        "required": expected.keys().collect::<Vec<_>>(),
        "properties": values,
        "patternProperties": { "^x-client-[0-9]$": false, "^x-added-[2-9][0-9]": false },
    } });

    let folder = Folder::new();
    let resources = [("transformer", 410, &transformer), ("request-validation", 220, &validation)].map(
        |(name, priority, config)| {
            format!(
                "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name} }}\n\
                 spec: {{ url: 'workspace:{name}', phase: AUTHN, priority: {priority}, defaultConfig: {config} }}\n"
            )
        },
    );
    folder.put("plugins.yaml", &resources.join("---\n"));
    let served = Served::start(folder.path(), &[]);
    let sent: Vec<_> = of_client.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = get(served.address, "shop.example.com", "/", &sent);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let received: Value = serde_json::from_str(&answer.body).unwrap();
    let received: Map<String, Value> = received["headers"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.starts_with("x-client-") || name.starts_with("x-added-"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert_eq!(received, expected);
    // Each of these would be noticed.
    let other: Vec<_> = sent.iter().map(|(name, _)| (*name, "other")).collect();
    assert_eq!(get(served.address, "shop.example.com", "/", &other).status, 403);
}
