//! The name of a service in control planes.

use std::fmt::Display;
use std::ops::Deref;

use serde::Deserialize;

/// The fully qualified name of a service, without a port: `auth.default.svc.cluster.local`, `auth.dns`. It is the last part
/// of the name of a cluster, `outbound|80||auth.dns`, so characters that cluster names cannot have are not valid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ServiceName(pub(super) String);

impl TryFrom<String> for ServiceName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let wrong = |what: &str, instead: &dyn Display| Err(format!("{what}: write {instead}"));
        if name.is_empty() {
            return wrong("must not be empty", &service(""));
        }
        if name.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return wrong("contains a space or a control character", &"the name of one service alone");
        }
        // By bytes: the standard library's search for a string costs a module 4 KB.
        if let Some(at) = name.as_bytes().windows(3).position(|bytes| bytes == b"://") {
            let rest = name.get(at + 3..).unwrap_or_default();
            return wrong("contains a scheme", &service(rest));
        }
        if name.contains('|') {
            let mut parts = name.split('|');
            let port = parts.nth(1).filter(|port| port.parse::<u16>().is_ok()).unwrap_or_default();
            let last = parts.next_back().filter(|last| !last.is_empty()).unwrap_or(EXAMPLE);
            let port = if port.is_empty() { String::new() } else { format!(" and `service_port: {port}`") };
            return wrong("contains a `|`, as the name of a cluster does", &format_args!("`{last}`{port}"));
        }
        if name.contains(['/', '?', '#', '\\']) {
            return wrong("contains a path", &service(&name));
        }
        if name.contains('@') {
            return wrong("contains user information", &service(&name));
        }
        if name.contains(':') {
            return wrong("contains a port", &service(&name));
        }
        if name.contains(['*', ',', ';', '[', ']', '(', ')', '{', '}', '<', '>', '"', '\'', '^', '~', '$']) {
            return wrong("contains a character that names of services do not have", &service(""));
        }
        Ok(ServiceName(name))
    }
}

const EXAMPLE: &str = "auth.default.svc.cluster.local";

/// Returns what to write for a URL or a part of one: the name of the service, and its port if there is one.
fn service(url: &str) -> String {
    let authority = url.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    match (name, port.parse::<u16>()) {
        ("", _) => format!("`{EXAMPLE}`"),
        (name, Ok(port)) => format!("`{name}` and `service_port: {port}`"),
        (name, Err(_)) => format!("`{name}`"),
    }
}

impl Deref for ServiceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_rejected_with_advice() {
        for (name, message) in [
            ("https://auth.example.com", "contains a scheme: write `auth.example.com`"),
            ("http://u@auth.dns:8080/x", "contains a scheme: write `auth.dns` and `service_port: 8080`"),
            ("auth.dns:8080", "contains a port: write `auth.dns` and `service_port: 8080`"),
            ("auth.dns:http", "contains a port: write `auth.dns`"),
            ("auth.dns:", "contains a port: write `auth.dns`"),
            (
                "outbound|8080||auth.dns",
                "contains a `|`, as the name of a cluster does: write `auth.dns` and `service_port: 8080`",
            ),
            (
                "auth|",
                "contains a `|`, as the name of a cluster does: write `auth.default.svc.cluster.local`",
            ),
            ("auth.dns/check", "contains a path: write `auth.dns`"),
            ("/check", "contains a path: write `auth.default.svc.cluster.local`"),
            ("u@auth.dns", "contains user information: write `auth.dns`"),
            ("auth dns", "contains a space or a control character: write the name of one service alone"),
            ("auth.dns\n", "contains a space or a control character: write the name of one service alone"),
            (
                "*.dns",
                "contains a character that names of services do not have: write `auth.default.svc.cluster.local`",
            ),
            ("", "must not be empty: write `auth.default.svc.cluster.local`"),
        ] {
            let refused = ServiceName::try_from(name.to_owned()).unwrap_err();
            assert_eq!(refused, message, "{name:?}");
        }
        for name in [
            "auth.default.svc.cluster.local",
            "auth.dns",
            "auth.static",
            "Auth_1.DEFAULT-GROUP.public.nacos",
            "认证.consul",
        ] {
            assert!(ServiceName::try_from(name.to_owned()).is_ok(), "{name}");
        }
    }
}
