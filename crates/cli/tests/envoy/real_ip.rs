//! The client's address as real-ip determines it, in the plug-ins that run after it.

use crate::served::{Folder, Served, get};

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn lists_and_limits_use_the_address_that_real_ip_determined() {
    let folder = Folder::new();
    let resource = |name: &str, order: &str, config: &str| {
        format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name} }}\n\
             spec: {{ url: 'workspace:{name}', {order}, defaultConfig: {config} }}\n"
        )
    };
    let resources = [
        resource(
            "real-ip",
            "phase: AUTHN, priority: 1000",
            "{ real_ip_header: x-client, real_ip_from: [127.0.0.0/8] }",
        ),
        resource("ip-restriction", "phase: AUTHN, priority: 210", "{ deny: [192.0.2.0/24] }"),
        resource(
            "key-rate-limit",
            "priority: 20",
            "{ rule_name: each, rule_items: [{ limit_by_per_ip: from-remote-addr, \
             limit_keys: [{ key: 0.0.0.0/0, query_per_day: 1 }] }] }",
        ),
    ];
    folder.put("plugins.yaml", &resources.join("---\n"));
    let served = Served::start(folder.path(), &[]);
    let status = |client: &str| get(served.address, "any.example.com", "/", &[("x-client", client)]).status;
    assert_eq!(status("192.0.2.7"), 403, "denied");
    assert_eq!((status("198.51.100.1"), status("198.51.100.1")), (200, 429), "one request a day");
    assert_eq!(status("198.51.100.2"), 200, "another client");
}
