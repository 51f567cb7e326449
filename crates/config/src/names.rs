//! What the conditions of a rule can name: a name that no request ever has would make a rule that never holds.

/// Why no request meets a condition with this name, and what to write instead. Hosts are not looked at here: they
/// are patterns, and read by whoever matches them.
pub(crate) fn problem(condition: &str, name: &str) -> Option<String> {
    if condition == "_match_domain_" {
        return None;
    }
    if name.trim() != name || name.bytes().any(|byte| byte.is_ascii_control()) {
        return Some("has spaces at an end or control characters, and no name has: write it without".into());
    }
    match condition {
        "_match_service_" => service(name),
        "_match_route_" => name.contains('*').then(|| match name.strip_suffix('*') {
            Some(prefix) if !prefix.is_empty() && !prefix.contains('*') => {
                format!("is compared as it is, and no route has a `*` in its name: write `_match_route_prefix_: [{prefix}]`")
            }
            _ => "is compared as it is, and no route has a `*` in its name: write the names of the routes".into(),
        }),
        "_match_route_prefix_" if name.contains('*') => {
            Some("is compared as it is, and no route has a `*` in its name: write the prefix without".into())
        }
        "_match_consumer_" if name == "*" => {
            Some("is compared as it is, and no consumer is called `*`: write the names of the consumers".into())
        }
        _ => None,
    }
}

fn service(name: &str) -> Option<String> {
    // By bytes: the standard library's search for a string costs a module 4 KB.
    if let Some(at) = name.as_bytes().windows(3).position(|bytes| bytes == b"://") {
        let rest = name.get(at + 3..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let service = authority.rsplit('@').next().unwrap_or_default();
        return Some(format!("begins with a scheme, and services are compared by name: write `{service}`"));
    }
    // `outbound|80||fqdn`; names of other forms are whole names of clusters.
    let mut parts = name.splitn(4, '|').skip(1);
    if let (Some(port), Some(_), Some(fqdn)) = (parts.next(), parts.next(), parts.next()) {
        let colon = if port.is_empty() { "" } else { ":" };
        return Some(format!(
            "is the name of a cluster, of which the service and the port are compared: write `{fqdn}{colon}{port}`"
        ));
    }
    if name.contains('*') {
        return Some(
            "is compared as it is, and no service has a `*` in its name: write the names of the services"
                .into(),
        );
    }
    let (fqdn, port) = name.rsplit_once(':')?;
    // Without a dot it may be the name of a cluster, which is whatever somebody called it.
    let is_port = || {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && !port.starts_with('0')
            && port.parse::<u16>().is_ok()
    };
    (fqdn.contains('.') && !is_port()).then(|| {
        format!("has no port after the `:`: write a number from 1 to 65535, or `{fqdn}` for every port")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_has_is_refused_with_the_remedy() {
        for (condition, name, remedy) in [
            ("_match_service_", "http://a.svc:80/x", "write `a.svc:80`"),
            ("_match_service_", "https://u@a.svc", "write `a.svc`"),
            ("_match_service_", "outbound|80||a.svc", "write `a.svc:80`"),
            ("_match_service_", "outbound|||a.svc", "write `a.svc`"),
            ("_match_service_", "*.svc", "the names of the services"),
            ("_match_service_", "a.svc:0", "from 1 to 65535, or `a.svc` for every port"),
            ("_match_service_", "a.svc:65536", "from 1 to 65535"),
            ("_match_service_", "a.svc:080", "from 1 to 65535"),
            ("_match_service_", "a.svc:http", "from 1 to 65535"),
            ("_match_service_", "a.svc:", "from 1 to 65535"),
            ("_match_service_", " a.svc", "write it without"),
            ("_match_route_", "default/*", "write `_match_route_prefix_: [default/]`"),
            ("_match_route_", "*", "the names of the routes"),
            ("_match_route_", "*/foo", "the names of the routes"),
            ("_match_route_", "default/foo\n", "write it without"),
            ("_match_route_prefix_", "default/*", "the prefix without"),
            ("_match_consumer_", "*", "the names of the consumers"),
            ("_match_consumer_", "alice ", "write it without"),
        ] {
            let problem = problem(condition, name).unwrap_or_else(|| panic!("{condition}: {name}"));
            assert!(problem.contains(remedy), "{condition}: {name}: {problem}");
        }
    }

    #[test]
    fn a_name_that_something_may_have_is_taken() {
        for (condition, name) in [
            ("_match_service_", "httpbin.default.svc.cluster.local"),
            ("_match_service_", "httpbin.default.svc.cluster.local:65535"),
            ("_match_service_", "User-Service.DEFAULT-GROUP.public.nacos:80"),
            ("_match_service_", "httproute/default/backend/rule/0"),
            ("_match_service_", "PassthroughCluster"),
            ("_match_service_", "my_cluster:http"),
            ("_match_service_", "a|b"),
            ("_match_route_", "default/foo"),
            ("_match_route_", "Route 1 (new)"),
            ("_match_route_prefix_", "default/"),
            ("_match_consumer_", "Алиса of ACME"),
            ("_match_domain_", "*.example.com"),
        ] {
            assert_eq!(problem(condition, name), None, "{condition}: {name}");
        }
    }
}
