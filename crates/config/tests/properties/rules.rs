//! Rule selection against the definition: the first rule all of whose kinds of condition hold.

use config::host::{HostPattern, normalise};
use config::rules::{Attributes, Conditions, RuleIndex};
use proptest::prelude::*;

const HOSTS: &[&str] =
    &["a.com", "b.com", "x.a.com", "*.a.com", "*.com", "*a.com", "a.*", "a*", "*", "[::1]", "x.a.*"];
const ROUTES: &[&str] = &["r", "r1", "r12", "R1", "", "q"];
const SERVICES: &[&str] = &["a.svc", "a.svc:80", "b.svc", "b.svc:80", "plain", ":80", ""];
const CONSUMERS: &[&str] = &["alice", "Alice", "bob", "alice,bob", ""];
const AUTHORITIES: &[&str] =
    &["a.com", "A.com:80", "b.com.", "x.a.com", "y.a.com", "com", "[0::1]:1", "aaa.com", ""];
const CLUSTERS: &[&str] =
    &["outbound|80||a.svc", "outbound|81|v1|a.svc", "outbound|80||b.svc", "plain", "a|b", "a.svc", "||||"];

#[derive(Debug, Clone)]
struct Request {
    host: Option<&'static str>,
    route: Option<&'static str>,
    service: Option<&'static str>,
    consumer: Option<&'static str>,
    asked: [u32; 4],
}

impl Attributes for Request {
    fn host(&mut self) -> Option<Vec<u8>> {
        self.asked[0] += 1;
        self.host.map(Into::into)
    }

    fn route(&mut self) -> Option<Vec<u8>> {
        self.asked[1] += 1;
        self.route.map(Into::into)
    }

    fn service(&mut self) -> Option<Vec<u8>> {
        self.asked[2] += 1;
        self.service.map(Into::into)
    }

    fn consumer(&mut self) -> Option<Vec<u8>> {
        self.asked[3] += 1;
        self.consumer.map(Into::into)
    }
}

fn some_of(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        Just(vec![]),
        prop::collection::vec(prop::sample::select(values).prop_map(str::to_owned), 0..3)
    ]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    (some_of(ROUTES), some_of(ROUTES), some_of(HOSTS), some_of(SERVICES), some_of(CONSUMERS)).prop_map(
        |(routes, route_prefixes, hosts, services, consumers)| {
            let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
            Conditions { routes, route_prefixes, hosts, services, consumers }
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let one_of = |values: &'static [&'static str]| prop::option::weighted(0.9, prop::sample::select(values));
    (one_of(AUTHORITIES), one_of(ROUTES), one_of(CLUSTERS), one_of(CONSUMERS)).prop_map(
        |(host, route, service, consumer)| Request { host, route, service, consumer, asked: [0; 4] },
    )
}

fn holds(rule: &Conditions, request: &Request) -> bool {
    let kind =
        |absent: bool, value: Option<&str>, any: &dyn Fn(&str) -> bool| absent || value.is_some_and(any);
    let serves = |cluster: &str, service: &String| match cluster.splitn(4, '|').collect::<Vec<_>>()[..] {
        [_, port, _, fqdn] => service == fqdn || *service == format!("{fqdn}:{port}"),
        _ => service == cluster,
    };
    kind(rule.hosts.is_empty(), request.host, &|host| {
        rule.hosts.iter().any(|pattern| pattern.matches(&normalise(host.as_bytes())))
    }) && kind(rule.routes.is_empty(), request.route, &|route| rule.routes.iter().any(|other| other == route))
        && kind(rule.route_prefixes.is_empty(), request.route, &|route| {
            rule.route_prefixes.iter().any(|prefix| route.starts_with(prefix))
        })
        && kind(rule.services.is_empty(), request.service, &|cluster| {
            rule.services.iter().any(|service| serves(cluster, service))
        })
        && kind(rule.consumers.is_empty(), request.consumer, &|consumer| {
            rule.consumers.iter().any(|other| other == consumer)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_first_rule_that_holds_is_selected(
        rules in prop::collection::vec(conditions(), 0..12),
        mut request in request(),
    ) {
        let index = RuleIndex::new(rules.clone());
        prop_assert_eq!(index.is_empty(), rules.is_empty());
        prop_assert_eq!(index.select(&mut request), rules.iter().position(|rule| holds(rule, &request)));
        let needed = [
            rules.iter().any(|rule| !rule.hosts.is_empty()),
            rules.iter().any(|rule| !rule.routes.is_empty() || !rule.route_prefixes.is_empty()),
            rules.iter().any(|rule| !rule.services.is_empty()),
            rules.iter().any(|rule| !rule.consumers.is_empty()),
        ];
        for (asked, needed) in request.asked.into_iter().zip(needed) {
            prop_assert!(asked <= u32::from(needed));
        }
    }
}
