//! What `routes.yaml` comes to, and what is said of mistakes in it.

use super::*;

const ECHO_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

fn parse(text: &str) -> Result<Routes, Vec<String>> {
    Routes::parse(Path::new("routes.yaml"), text)
        .map_err(|faults| faults.iter().map(Fault::to_string).collect())
}

#[test]
fn names_are_those_of_the_control_plane() {
    let routes = parse(
        "
services:
- { name: httpbin.default.svc.cluster.local, address: '127.0.0.1:8000' }
- { name: auth.dns, port: 443, address: 'https://auth.example.com', protocol: http2, ca: Cargo.toml }
routes:
- { ingress: foo, namespace: default, domains: [foo.com], paths: [/a, /b], service: httpbin.default.svc.cluster.local }
- { ingress: bar }
",
    )
    .unwrap();
    let (routes, clusters) = routes.for_envoy(ECHO_ADDRESS.into());
    let names: Vec<&str> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    let expected = [
        "outbound|80||httpbin.default.svc.cluster.local",
        "outbound|443||auth.dns",
        "outbound|80||echo.static",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (clusters[1].host.as_str(), clusters[1].port, clusters[1].http2),
        ("auth.example.com", 443, true)
    );
    assert_eq!(clusters[1].tls.as_ref().unwrap().name, "auth.example.com");
    let routes: Vec<_> = routes
        .iter()
        .map(|route| (route.name.as_str(), route.prefix.as_str(), route.cluster.as_str()))
        .collect();
    let expected =
        [("default/foo", "/a", expected[0]), ("default/foo", "/b", expected[0]), ("bar", "/", expected[2])];
    assert_eq!(routes, expected);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "services:\n- { name: a, prot: 1 }\n- { name: b, port: x }\nroutes:\n- { ingress: a, domian: [a.com] }\n";
    let faults = parse(text).unwrap_err();
    let places: Vec<&str> = faults.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
    assert_eq!(places, ["services[0].prot", "services[1].port", "routes[0].domian"]);
}

#[test]
fn an_address_says_whether_it_speaks_tls() {
    for (address, host, port, tls) in [
        ("127.0.0.1:8000", "127.0.0.1", 8000, false),
        ("http://a.com", "a.com", 80, false),
        ("HTTP://a.com:443/", "a.com", 443, false),
        ("https://a.com", "a.com", 443, true),
        ("https://a.com:8443/", "a.com", 8443, true),
        ("https://[::1]:8443", "::1", 8443, true),
    ] {
        assert_eq!(Upstream::parse(address), Ok(Upstream { host: host.into(), port, tls }), "{address}");
    }
    for (address, words) in [
        ("a.com", "write host:port"),
        ("ftp://a.com", "write host:port"),
        ("https://", "write host:port"),
        ("a.com:443", "write https://a.com, or http://a.com:443 without TLS"),
        ("https://a.com/api", "has a path"),
        ("https://me@a.com", "write host:port"),
    ] {
        let error = Upstream::parse(address).unwrap_err();
        assert!(error.contains(words), "{address}: {error}");
    }
}

#[test]
fn tls_asks_for_the_name_that_is_written() {
    let text =
        "services: [{ name: a.dns, address: 'https://10.0.0.1:8443', sni: a.example.com, ca: Cargo.toml }]\n";
    let (_, clusters) = parse(text).unwrap().for_envoy(ECHO_ADDRESS.into());
    let socket = &clusters[0].to_json()["transport_socket"]["typed_config"];
    assert_eq!(socket["sni"], "a.example.com");
    let validation = &socket["common_tls_context"]["validation_context"];
    assert_eq!(validation["match_typed_subject_alt_names"][0]["matcher"]["exact"], "a.example.com");
    let file = validation["trusted_ca"]["filename"].as_str().unwrap();
    assert!(Path::new(file).is_absolute() && file.ends_with("/Cargo.toml"), "{file}");
    for (text, expected) in [
        ("services: [{ name: a, address: 'a.com:80', sni: a.com }]", "services[0].sni: is for TLS"),
        (
            "services: [{ name: a, address: 'https://a.com', ca: nowhere.pem }]",
            "services[0].ca: nowhere.pem is not a file",
        ),
    ] {
        let faults = parse(text).unwrap_err();
        assert!(faults.len() == 1 && faults[0].contains(expected), "{faults:?}");
    }
}

#[test]
fn without_a_file_everything_is_echoed() {
    for text in ["", "---\n", "{}"] {
        let (routes, clusters) = parse(text).unwrap().for_envoy(ECHO_ADDRESS.into());
        assert_eq!((routes.len(), clusters.len()), (1, 1), "{text:?}");
        assert_eq!(routes[0].cluster, clusters[0].name);
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Routes::of_folder(folder.path()).unwrap(), Routes::default());
}

#[test]
fn each_mistake_names_file_line_field_and_remedy() {
    for (text, expected) in [
        ("routes:\n- ingress: a\n  domian: [a.com]\n", "routes.yaml:3:3: routes[0].domian: "),
        ("routes:\n- ingress: a\n  domian: [a.com]\n", "domains"),
        ("routes:\n- domains: [a.com]\n", "routes.yaml:2:3: routes[0]: `ingress` is missing: add it"),
        ("routes:\n- { ingress: default/a }\n", "routes.yaml:2:5: routes[0].ingress: must be a name"),
        (
            "routes:\n- ingress: a\n  paths: [api]\n",
            "routes.yaml:3:11: routes[0].paths[0]: must begin with a slash",
        ),
        (
            "services: [{ name: 'http://a.svc', port: 80 }]\n",
            "routes.yaml:1:14: services[0].name: contains a scheme: write `a.svc`",
        ),
        (
            "routes:\n- ingress: a\n  domains: ['~^a.com']\n",
            "routes.yaml:3:13: routes[0].domains[0]: must be a host",
        ),
        (
            "routes:\n- ingress: a\n  paths: ['/a?b']\n",
            "routes[0].paths[0]: is compared with paths, which have no query, `#` or space: write `/a`",
        ),
        (
            "routes:\n- ingress: a\n  domains: ['a:80']\n",
            "routes.yaml:3:13: routes[0].domains[0]: must be a host",
        ),
        (
            "routes:\n- ingress: a\n  service: b\n",
            "routes.yaml:3:3: routes[0].service: is not a service of this file",
        ),
        (
            "routes:\n- ingress: a\n- ingress: b\n",
            "routes.yaml:3:3: routes[1]: has the domain, path and headers of an earlier",
        ),
        (
            "services:\n- name: a\n  address: here\n",
            "routes.yaml:3:3: services[0].address: is not an address",
        ),
        ("services:\n- name: a\n- name: a\n", "routes.yaml:3:3: services[1].name: is a duplicate"),
        (
            "services:\n- { name: a, protocol: grpc }\n",
            "routes.yaml:2:14: services[0].protocol: must be one of",
        ),
        (
            "routes:\n- ingress: a\n  headers: { X-A: b }\n- ingress: b\n  headers: { x-a: b }\n",
            "routes.yaml:4:3: routes[1]: has the domain, path and headers of an earlier",
        ),
        (
            "routes:\n- ingress: a\n  headers: { 'x a': b }\n",
            "routes.yaml:3:14: routes[0].headers.x a: is not a valid name of a header: write one such as",
        ),
        (
            "routes:\n- ingress: a\n  headers: { x-a: '' }\n",
            "routes.yaml:3:14: routes[0].headers.x-a: has a value that is empty",
        ),
        (
            "routes:\n- ingress: a\n  headers: { X-A: b, x-a: c }\n",
            "routes.yaml:3:22: routes[0].headers.x-a: is a duplicate, because the case of names does not matter",
        ),
        (
            "services: [{ name: a, model_server: {}, sni: a.com }]\n",
            "services[0].sni: is for TLS, which a service that is started here does not use: remove it",
        ),
        (
            "services: [{ name: a, rate_limit_service: {}, ca: ca.pem }]\n",
            "services[0].ca: is for TLS, which a service that is started here does not use: remove it",
        ),
        (
            "services: [{ name: a, rate_limit_service: {}, protocol: http1 }]\n",
            "services[0].protocol: is always HTTP/2 for a rate limit service",
        ),
        (
            "services: [{ name: a, model_server: {}, rate_limit_service: {} }]\n",
            "services[0].model_server: is started here, and `rate_limit_service` is another service",
        ),
        (
            "services: [{ name: a, model_server: {}, address: 'a:80' }]\n",
            "services[0].model_server: is started here, and `address` is another service",
        ),
        ("services: [{ name: a, model_server: { model: [] } }]\n", "services[0].model_server.model"),
        ("services: [", "routes.yaml:"),
        ("{}\n---\n{}\n", "routes.yaml:3:1: is a second document"),
    ] {
        let faults = parse(text).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{text:?} gave {faults:?}");
    }
}

#[test]
fn a_wrong_expression_of_a_limit_is_named_by_its_place() {
    let faults = parse(
        "services:
- name: a
  rate_limit_service:
    kind: limitador
    limits:
    - { namespace: edge, max_value: 1, seconds: 1, conditions: [a == 'b', 'a['], variables: [a, ']'] }
",
    )
    .unwrap_err();
    let places: Vec<&str> = faults.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
    let limit = "services[0].rate_limit_service.limits[0]";
    assert_eq!(places, [format!("{limit}.conditions[1]"), format!("{limit}.variables[1]")]);
}

#[test]
fn a_rate_limit_service_has_limits_or_receives_them() {
    let limit =
        "{ namespace: edge, max_value: 1, seconds: 60, conditions: [\"descriptors[0].limit == 'a'\"] }";
    let parse =
        |settings: &str| parse(&format!("services: [{{ name: a, rate_limit_service: {settings} }}]\n"));
    assert_eq!(
        parse("{}").unwrap().services[0].rate_limit_service,
        Some(RateLimitService { kind: RateLimitKind::Envoy, limits: Vec::new() })
    );
    let limitador = parse(&format!("{{ kind: limitador, limits: [{limit}] }}")).unwrap();
    assert_eq!(limitador.services[0].rate_limit_service.as_ref().unwrap().limits[0].max_value, 1);
    for (settings, expected) in [
        ("{ kind: limitador }", "rate_limit_service: has no limits: add `limits`"),
        (&*format!("{{ limits: [{limit}] }}"), "rate_limit_service.limits: are only for `kind: limitador`"),
        ("{}, address: 'a:80'", "rate_limit_service: is started here"),
        (
            "{ kind: limitador, limits: [{ namespace: edge, max_value: 1, seconds: 0 }] }",
            "rate_limit_service.limits[0].seconds",
        ),
    ] {
        let faults = parse(settings).unwrap_err().join("; ");
        assert!(faults.contains(expected), "{settings}: {faults}");
    }
}
