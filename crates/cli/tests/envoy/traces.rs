//! What `request --trace` prints.

use serde_json::Value;

use crate::served::{Folder, asked, head};

/// Two plug-ins: one that calls a service, and one that blocks.
fn folder(service: &str) -> Folder {
    let folder = Folder::new();
    folder.put("routes.yaml", &format!("services: [{{ name: auth.static, port: 80{service} }}]\n"));
    let endpoint = "{ service_name: auth.static, service_port: 80, path: /check, request_method: GET }";
    let config = format!("{{ http_service: {{ endpoint_mode: forward_auth, endpoint: {endpoint} }} }}");
    let spec = format!("spec: {{ url: 'workspace:ext-auth', phase: AUTHZ, defaultConfig: {config} }}\n");
    folder.put("auth.yaml", &(head("auth") + &spec));
    let config = "{ block_urls: [swagger], block_bodies: [secret], blocked_message: not here }";
    let spec = format!("spec: {{ url: 'workspace:request-block', phase: AUTHN, defaultConfig: {config} }}\n");
    folder.put("block.yaml", &(head("block") + &spec));
    folder.stamp("stamp", "STATS", 10, "s");
    folder
}

fn trace(folder: &Folder, args: &[&str]) -> String {
    let (code, said) =
        asked(folder.path(), &[&["request", "-H", "host: h", "--trace"], args, &["--folder"]].concat());
    assert_eq!(code, Some(0), "{args:?}: {said}");
    said
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn each_plug_in_is_shown_with_its_rule_its_changes_and_its_calls() {
    let shown = trace(&folder(""), &["/p", "-d", "good", "--trailer", "x-t: 1", "--http2"]);
    for expected in [
        "the upstream answered 200",
        ":path: /p",
        "body of 4 bytes: good",
        "+ x-stamps: s",
        "auth (by spec.defaultConfig)",
        "called /check of outbound|80||auth.static: 200 after ",
        "Times are measured from one probe to the next",
    ] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn who_responded_and_why_comes_first_and_once() {
    let folder = folder("");
    for (args, first) in [
        (
            &["/swagger.html"][..],
            "block answered 403 (request-block.url_blocked) by spec.defaultConfig:\n  block_urls[0]\n",
        ),
        (
            &["/p", "-d", "a secret, cut", "--chunk", "4"],
            "block answered 403 (request-block.body_blocked) by spec.defaultConfig:\n  block_bodies[0]\n",
        ),
    ] {
        let shown = trace(&folder, args);
        assert!(shown.starts_with(first), "{first} in\n{shown}");
        let (above, _) = shown.split_once("counters and gauges").unwrap();
        assert_eq!(above.matches("request-block.").count(), 1, "once:\n{shown}");
        // The body that follows is printed as it is.
        let (report, _) = shown.split_once("not here").unwrap();
        assert!(report.lines().all(|line| line.chars().count() <= 80), "80 columns:\n{shown}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_service_that_does_not_respond_is_shown_with_the_reason() {
    // Nothing listens on port 1.
    let shown = trace(&folder(", address: '127.0.0.1:1'"), &["/p"]);
    assert!(shown.contains(": no response after ") && shown.contains("reported as 503"), "{shown}");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn credentials_are_shown_on_request_only() {
    let folder = folder("");
    let args = ["/x?user=me&api_key=abcdef-key", "-H", "authorization: Bearer abcdef-bearer", "-s"];
    for more in [&[][..], &["--json"]] {
        let shown = trace(&folder, &[&args, more].concat());
        assert!(shown.contains("user=me") && shown.contains("<hidden>"), "{shown}");
        assert!(!shown.contains("abcdef"), "{shown}");
    }
    let shown = trace(&folder, &[&args[..], &["--show-secrets", "--json"]].concat());
    // What cargo prints while it builds plug-ins comes behind it.
    let trace = serde_json::Deserializer::from_str(&shown).into_iter::<Value>().next().unwrap().unwrap();
    assert_eq!(trace["answeredBy"]["kind"], "upstream", "{shown}");
    assert!(shown.contains("abcdef-key") && shown.contains("abcdef-bearer"), "{shown}");
}
