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
- { name: auth.dns, port: 443, address: 'auth.example.com:443', protocol: http2 }
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
    assert_eq!((clusters[1].host.as_str(), clusters[1].http2), ("auth.example.com", true));
    let routes: Vec<_> = routes
        .iter()
        .map(|route| (route.name.as_str(), route.prefix.as_str(), route.cluster.as_str()))
        .collect();
    let expected =
        [("default/foo", "/a", expected[0]), ("default/foo", "/b", expected[0]), ("bar", "/", expected[2])];
    assert_eq!(routes, expected);
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
            "routes.yaml:3:3: routes[0].service: is no service of this file",
        ),
        (
            "routes:\n- ingress: a\n- ingress: b\n",
            "routes.yaml:3:3: routes[1]: has the domain and path of another",
        ),
        ("services:\n- name: a\n  address: here\n", "routes.yaml:3:3: services[0].address: is no address"),
        ("services:\n- name: a\n- name: a\n", "routes.yaml:3:3: services[1].name: is there before"),
        (
            "services:\n- { name: a, protocol: grpc }\n",
            "routes.yaml:2:14: services[0].protocol: must be one of",
        ),
        ("services: [", "routes.yaml:"),
        ("{}\n---\n{}\n", "routes.yaml:3:1: is a second document"),
    ] {
        let faults = parse(text).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{text:?} gave {faults:?}");
    }
}
