//! Routes of requests to clusters.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A route, by domains, a path prefix and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name, which plug-ins read as `xds.route_name`, and with which `_match_route_` is compared.
    pub name: String,
    /// The domains, which may begin with `*`; none for all.
    pub domains: Vec<String>,
    /// The beginning of the path.
    pub prefix: String,
    /// Headers with the values that requests must have.
    pub headers: BTreeMap<String, String>,
    /// The name of its cluster, `xds.cluster_name`.
    pub cluster: String,
}

impl Route {
    /// The route of every request.
    #[must_use]
    pub fn all(name: &str, cluster: &str) -> Self {
        Self {
            name: name.into(),
            domains: Vec::new(),
            prefix: "/".into(),
            headers: BTreeMap::new(),
            cluster: cluster.into(),
        }
    }

    fn to_json(&self) -> Value {
        // A prefix ends at the end of a path segment, as for an ingress: `/foo` does not match `/foobar`.
        let mut condition = match self.prefix.trim_end_matches('/') {
            "" => json!({ "prefix": "/" }),
            prefix => json!({ "path_separated_prefix": prefix }),
        };
        let exact = |(name, value)| json!({ "name": name, "string_match": { "exact": value } });
        let headers: Vec<Value> = self.headers.iter().map(exact).collect();
        if let (false, Some(condition)) = (headers.is_empty(), condition.as_object_mut()) {
            condition.insert("headers".into(), headers.into());
        }
        json!({ "name": self.name, "match": condition, "route": { "cluster": self.cluster, "timeout": "0s" } })
    }
}

/// The name of the table of routes.
pub(crate) const TABLE: &str = "routes";

/// The table of routes: each domain has its own routes, the longest prefix first, and of one prefix those with the most
/// headers.
pub(crate) fn table(routes: &[Route]) -> Value {
    let mut by_domain: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
    for route in routes {
        let domains = route.domains.iter().map(String::as_str);
        let domains = if route.domains.is_empty() { vec!["*"] } else { domains.collect() };
        for domain in domains {
            by_domain.entry(domain).or_default().push(route);
        }
    }
    let hosts: Vec<Value> = by_domain
        .into_iter()
        .map(|(domain, mut routes)| {
            routes.sort_by_key(|route| {
                Reverse((route.prefix.trim_end_matches('/').len(), route.headers.len()))
            });
            let routes: Vec<Value> = routes.into_iter().map(Route::to_json).collect();
            json!({ "name": domain, "domains": [domain], "routes": routes })
        })
        .collect();
    // A port does not make another host.
    json!({ "name": TABLE, "ignore_port_in_host_matching": true, "virtual_hosts": hosts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_its_own_routes_and_the_longest_prefix_first() {
        let route = |name: &str, domains: &[&str], prefix: &str| Route {
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            prefix: prefix.into(),
            ..Route::all(name, "c")
        };
        let table = table(&[
            route("a", &["a.example.com", "*.b.example.com"], "/"),
            route("b", &["a.example.com"], "/foo/"),
            Route::all("c", "c"),
            Route { headers: [("x-model".into(), "large".into())].into(), ..Route::all("d", "c") },
        ]);
        let hosts: Vec<(&str, Vec<&str>)> = table["virtual_hosts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|host| {
                let routes = host["routes"].as_array().unwrap();
                let names = routes.iter().map(|route| route["name"].as_str().unwrap());
                (host["domains"][0].as_str().unwrap(), names.collect())
            })
            .collect();
        let expected =
            [("*", vec!["d", "c"]), ("*.b.example.com", vec!["a"]), ("a.example.com", vec!["b", "a"])];
        assert_eq!(hosts, expected);
        assert_eq!(table["virtual_hosts"][2]["routes"][0]["match"]["path_separated_prefix"], "/foo");
        let headers = &table["virtual_hosts"][0]["routes"][0]["match"]["headers"];
        assert_eq!(*headers, json!([{ "name": "x-model", "string_match": { "exact": "large" } }]));
    }
}
