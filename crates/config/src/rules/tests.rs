//! What each kind of condition means, and what is asked of the host for it.

use super::*;

#[derive(Default)]
struct Fake {
    host: Option<&'static str>,
    route: Option<&'static str>,
    service: Option<&'static str>,
    consumer: Option<&'static str>,
    asked: Vec<&'static str>,
}

impl Attributes for Fake {
    fn host(&mut self) -> Option<Vec<u8>> {
        self.asked.push("host");
        self.host.map(Into::into)
    }

    fn route(&mut self) -> Option<Vec<u8>> {
        self.asked.push("route");
        self.route.map(Into::into)
    }

    fn service(&mut self) -> Option<Vec<u8>> {
        self.asked.push("service");
        self.service.map(Into::into)
    }

    fn consumer(&mut self) -> Option<Vec<u8>> {
        self.asked.push("consumer");
        self.consumer.map(Into::into)
    }
}

fn hosts(patterns: &[&str]) -> Conditions {
    let hosts = patterns.iter().map(|pattern| HostPattern::parse(pattern).unwrap()).collect();
    Conditions { hosts, ..Conditions::default() }
}

fn routes(names: &[&str]) -> Conditions {
    Conditions { routes: names.iter().map(ToString::to_string).collect(), ..Conditions::default() }
}

fn services(names: &[&str]) -> Conditions {
    Conditions { services: names.iter().map(ToString::to_string).collect(), ..Conditions::default() }
}

fn consumers(names: &[&str]) -> Conditions {
    Conditions { consumers: names.iter().map(ToString::to_string).collect(), ..Conditions::default() }
}

fn select(rules: &[Conditions], mut request: Fake) -> (Option<usize>, Vec<&'static str>) {
    let selected = RuleIndex::new(rules.iter().cloned()).select(&mut request);
    (selected, request.asked)
}

#[test]
fn the_first_rule_in_document_order_wins() {
    let rules = [hosts(&["*.example.com"]), hosts(&["a.example.com"]), hosts(&["*"])];
    let request = |host| Fake { host: Some(host), ..Fake::default() };
    assert_eq!(select(&rules, request("A.example.com.:80")).0, Some(0));
    assert_eq!(select(&rules, request("example.com")).0, Some(2));
    assert_eq!(select(&rules[..2], request("example.com")).0, None);
}

#[test]
fn attributes_are_read_once_and_only_if_a_rule_needs_them() {
    let request =
        || Fake { host: Some("a"), route: Some("r"), service: Some("s"), consumer: Some("c"), asked: vec![] };
    assert_eq!(select(&[], request()), (None, vec![]));
    assert_eq!(select(&[hosts(&["x"]), hosts(&["y*"]), hosts(&["*z"])], request()), (None, vec!["host"]));
    assert_eq!(select(&[routes(&["x"]), routes(&["r"])], request()), (Some(1), vec!["route"]));

    // The earliest rule has been found: nothing later can win, so nothing later is asked for.
    assert_eq!(
        select(&[services(&["s"]), hosts(&["a"]), routes(&["r"])], request()),
        (Some(0), vec!["service"])
    );

    // The route only where the host has matched.
    let both = |host: &str| Conditions { routes: vec!["r".into()], ..hosts(&[host]) };
    assert_eq!(select(&[both("x"), both("y")], request()), (None, vec!["host"]));
    assert_eq!(select(&[both("x"), both("a"), both("a")], request()), (Some(1), vec!["host", "route"]));

    // The route only where the consumer has matched.
    let both = |consumer: &str| Conditions { routes: vec!["r".into()], ..consumers(&[consumer]) };
    assert_eq!(select(&[both("x")], request()), (None, vec!["consumer"]));
    assert_eq!(select(&[both("x"), both("c")], request()), (Some(1), vec!["consumer", "route"]));

    // A host condition that excludes nothing is checked last.
    let any_host = Conditions { routes: vec!["x".into()], ..hosts(&["*", "b"]) };
    assert_eq!(select(&[any_host], request()), (None, vec!["route"]));
}

#[test]
fn an_absent_attribute_meets_no_condition() {
    assert_eq!(
        select(&[hosts(&["*"]), routes(&[""]), services(&[""]), consumers(&[""])], Fake::default()).0,
        None
    );
    let any_host_and_route = Conditions { routes: vec!["r".into()], ..hosts(&["*"]) };
    let no_host = Fake { route: Some("r"), ..Fake::default() };
    assert_eq!(select(&[any_host_and_route], no_host).0, None);
    let host_and_consumer = Conditions { consumers: vec!["c".into()], ..hosts(&["a"]) };
    let anonymous = Fake { host: Some("a"), ..Fake::default() };
    assert_eq!(select(&[host_and_consumer], anonymous).0, None);
    assert_eq!(select(&[Conditions::default()], Fake::default()).0, Some(0));
}

#[test]
fn routes_are_bytes_with_case() {
    let prefixes = Conditions { route_prefixes: vec!["api-".into()], ..Conditions::default() };
    let request = |route| Fake { route: Some(route), ..Fake::default() };
    assert_eq!(select(std::slice::from_ref(&prefixes), request("api-1")).0, Some(0));
    assert_eq!(select(std::slice::from_ref(&prefixes), request("API-1")).0, None);
    assert_eq!(select(&[routes(&["Api"])], request("api")).0, None);

    // Exact and prefix are two kinds: both must hold.
    let both = Conditions { routes: vec!["api-1".into(), "web".into()], ..prefixes };
    assert_eq!(select(std::slice::from_ref(&both), request("api-1")).0, Some(0));
    assert_eq!(select(std::slice::from_ref(&both), request("web")).0, None);
}

#[test]
fn services_with_and_without_port() {
    let request = |service| Fake { service: Some(service), ..Fake::default() };
    let selects = |name: &str, cluster| select(&[services(&[name])], request(cluster)).0.is_some();
    assert!(selects("a.svc", "outbound|80||a.svc"));
    assert!(selects("a.svc", "outbound|80|v1|a.svc"));
    assert!(selects("a.svc:80", "outbound|80||a.svc"));
    assert!(!selects("a.svc:81", "outbound|80||a.svc"));
    assert!(!selects("outbound|80||a.svc", "outbound|80||a.svc"));
    assert!(selects("plain", "plain"));
    assert!(!selects("plain:80", "plain"));
    assert!(selects("a|b", "a|b"));
}

#[test]
fn consumers_are_whole_names_with_case() {
    let request = |name| Fake { consumer: Some(name), ..Fake::default() };
    let rules = [consumers(&["alice", "bob"]), consumers(&["Alice"])];
    assert_eq!(select(&rules, request("bob")).0, Some(0));
    assert_eq!(select(&rules, request("Alice")).0, Some(1));
    assert_eq!(select(&rules, request("ALICE")).0, None);
    assert_eq!(select(&rules, request("alice ")).0, None);
    assert_eq!(select(&rules, request("alic")).0, None);
}
