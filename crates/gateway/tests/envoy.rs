//! Traces in a real Envoy: `cargo xtask test` runs these, plain `cargo test` does not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may stop")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use gateway::client::{Request, Response};
use gateway::folder::StageOrder;
use gateway::modules::{Modules, Sources};
use gateway::plan::{Plan, Planner};
use gateway::plugins::Plugins;
use gateway::secret::Redactor;
use gateway::trace::{
    Capture, Direction, Message, Responder, Trace, json, redacted, redactor, run, run_with,
};
use gateway::websocket::{Event, talk};
use gateway::{Bootstrap, Cache, Envoy, Live, LogLevel, Process, StartError, target_dir};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use serde_json::Value;
use tempfile::TempDir;
use workspace::Workspace;
use workspace::build::Profile;

/// A plug-in without an SDK, which passes everything.
const FOREIGN: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

/// Authorization calls a service, a body is held until its end, headers are changed in both directions, and a foreign plug-in
/// reports nothing.
const FOLDER: &[(&str, &str)] = &[
    (
        "routes.yaml",
        "services: [{ name: auth.static, port: 80 }]\nroutes: [{ ingress: foo, namespace: default }]\n",
    ),
    (
        "all.yaml",
        "
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: auth }
spec:
  url: workspace:ext-auth
  phase: AUTHZ
  defaultConfigDisable: true
  matchRules:
  - ingress: [default/foo]
    config:
      http_service:
        endpoint_mode: forward_auth
        endpoint: { service_name: auth.static, service_port: 80, path: /check, request_method: GET }
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: block }
spec:
  url: workspace:request-block
  phase: AUTHN
  defaultConfig: { block_urls: [swagger], block_bodies: [secret], blocked_message: not here }
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: stamp }
spec: { url: 'workspace:stamp', phase: STATS, defaultConfig: { stamp: s } }
---
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: foreign }
spec: { url: 'file://foreign.wasm' }
",
    ),
];

/// A folder, its plan, and an Envoy.
struct Gateway {
    _folder: TempDir,
    plan: Plan,
    envoy: Envoy,
}

/// A request to a URL of `http` or `ws` with the host `h`, with these of curl's options.
fn sent(args: &[&str]) -> Request {
    let (url, mut options) = (args[0], args[1..].iter().copied());
    let (scheme, path) = url.split_once("://h").unwrap_or(("http", url));
    let mut request = Request {
        method: Method::GET,
        host: "h".into(),
        path: path.into(),
        headers: HeaderMap::new(),
        body: Vec::new(),
        trailers: HeaderMap::new(),
        http2: false,
        websocket: scheme == "ws",
        timeout: Duration::from_secs(15),
    };
    let field = |fields: &mut HeaderMap, text: &str| {
        let (name, value) = text.split_once(": ").unwrap();
        fields.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    };
    while let Some(option) = options.next() {
        if option == "--http2" {
            request.http2 = true;
            continue;
        }
        let value = options.next().unwrap();
        match option {
            "-X" => request.method = value.parse().unwrap(),
            "-H" => field(&mut request.headers, value),
            "--trailer" => field(&mut request.trailers, value),
            "-d" => {
                request.method = Method::POST;
                request.body = vec![Bytes::copy_from_slice(value.as_bytes())];
            }
            "--chunk" => {
                let whole = request.body.concat();
                request.body = whole.chunks(value.parse().unwrap()).map(Bytes::copy_from_slice).collect();
            }
            _ => panic!("{option}"),
        }
    }
    request
}

impl Gateway {
    fn new() -> Self {
        Self::with_service("auth.static, port: 80")
    }

    /// With this authorization service in `routes.yaml`.
    fn with_service(service: &str) -> Self {
        let replaced =
            |(name, text): &(&'static str, &str)| (*name, text.replace("auth.static, port: 80", service));
        Self::of(FOLDER.iter().map(replaced))
    }

    fn of(files: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(folder.path().join("foreign.wasm"), wat::parse_str(FOREIGN).unwrap()).unwrap();
        let target = target_dir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let workspace = Workspace::at(&root, |_| {}).unwrap();
        let envoy = Envoy::find(&target).unwrap();
        let sources = Sources {
            plugins: Ok(Plugins::new(workspace, Profile::WasmDev)),
            from_source: false,
            catalogue: None,
        };
        let modules = Modules::new(&Cache::Target(target), sources);
        let mut planner = Planner::new(folder.path().into(), StageOrder::Mse, modules, envoy.clone());
        let (plan, faults) = planner.plan(None, &[]);
        assert!(faults.is_empty(), "{faults:?}");
        Self { _folder: folder, plan, envoy }
    }

    fn run(&self, sent: &Request, probes: bool) -> Capture {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let echo = gateway::echo::start().await.unwrap();
            run(&self.envoy, &self.plan, echo, sent, probes).await.unwrap()
        })
    }

    fn trace(&self, sent: &Request) -> (Trace, Capture) {
        let capture = self.run(sent, true);
        let names: Vec<&str> = self.plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
        let mut trace = Trace::of(&capture, &names);
        trace.name_rules(&self.plan);
        (trace, capture)
    }

    /// Sends a request with and without probes, and compares the results.
    fn compare(&self, args: &[&str]) {
        let sent = sent(args);
        let (plain, capture) = (self.run(&sent, false), self.run(&sent, true));
        let (plain_access, traced_access) = (plain.access.unwrap(), capture.access.unwrap());
        assert_eq!(comparable(capture.response), comparable(plain.response), "{args:?}");
        assert_eq!(
            (traced_access.status, traced_access.details, traced_access.flags),
            (plain_access.status, plain_access.details, plain_access.flags),
            "{args:?}"
        );
    }
}

/// A response without what differs in each request.
fn comparable(response: Option<Response>) -> Option<(Response, Value)> {
    let mut response = response?;
    for name in ["date", "content-length", "x-envoy-upstream-service-time"] {
        response.headers.remove(name);
    }
    let mut body: Value = serde_json::from_slice(&response.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&response.body).into_owned()));
    if let Some(headers) = body.get_mut("headers").and_then(Value::as_object_mut) {
        headers.remove("x-request-id");
    }
    response.body.clear();
    Some((response, body))
}

/// Another program may take a port after it was found free.
#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn an_address_in_use_is_told_from_a_rejected_configuration() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let bootstrap =
        Bootstrap { address: taken.local_addr().unwrap(), ..Bootstrap::new(vec![], vec![], vec![]) };
    let envoy = Envoy::find(&target_dir().unwrap()).unwrap();
    let started = Process::start(&envoy, &bootstrap, LogLevel::Info).map(|_| ());
    assert!(matches!(started, Err(StartError::AddressInUse { .. })), "{started:?}");
    let started = Live::start(&envoy, &bootstrap, LogLevel::Info, Duration::from_secs(1)).map(|_| ());
    assert!(matches!(started, Err(StartError::AddressInUse { .. })), "{started:?}");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn probes_do_not_change_the_result_of_a_request() {
    let gateway = Gateway::new();
    let body = "a long body that goes in pieces. ".repeat(40);
    let large = "x".repeat(200_000);
    let with_secret = "five or six bytes at once, secret";
    for args in [
        &["http://h/"][..],
        &["http://h/swagger.html"],
        &["http://h/p", "-d", &body],
        &["http://h/p", "-d", &body, "--chunk", "7", "--trailer", "x-trailer: t"],
        &["http://h/p", "-d", &body, "--chunk", "7", "--trailer", "x-trailer: t", "--http2"],
        &["http://h/p", "-d", &large, "--chunk", "10000", "--http2"],
        &["http://h/p", "-d", with_secret, "--chunk", "5"],
        &["http://h/p", "-d", with_secret, "--chunk", "5", "--trailer", "x-trailer: t", "--http2"],
        &["http://h/p", "-X", "HEAD"],
    ] {
        gateway.compare(args);
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_trace_has_what_each_plug_in_did_in_both_directions() {
    let gateway = Gateway::new();
    let (trace, capture) =
        gateway.trace(&sent(&["http://h/p", "-d", "good", "--trailer", "x-t: 1", "--http2"]));
    assert_eq!(trace.responder, Responder::Upstream);
    let names: Vec<&str> = trace.hops.iter().map(|hop| hop.name.as_str()).collect();
    assert_eq!(names, ["auth", "block", "stamp", "foreign"]);
    let [auth, block, stamp, foreign] = trace.hops.as_slice() else { panic!("{trace:?}") };
    let rules: Vec<Option<&str>> = trace.hops.iter().map(|hop| hop.rule.as_deref()).collect();
    assert_eq!(rules, [Some("_rules_[0]"), Some("global"), Some("global"), None]);
    let fields: Vec<Option<&str>> = trace.hops.iter().map(|hop| hop.field.as_deref()).collect();
    let default = Some("spec.defaultConfig");
    assert_eq!(fields, [Some("spec.matchRules[0]"), default, default, None]);
    let [call] = auth.calls.as_slice() else { panic!("{auth:?}") };
    assert_eq!((call.way, call.path.as_str()), (Direction::Request, "/check"));
    assert_eq!(call.cluster, "outbound|80||auth.static");
    let end = call.end.as_ref().unwrap();
    assert_eq!((end.status, end.failure.as_deref()), (200, None));
    assert!(end.took > 0 && trace.probe.is_some());
    // Each line on the way on which it was logged.
    let ways: Vec<Direction> = stamp.log.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways.first(), Some(&Direction::Request), "{stamp:?}");
    let has = |message: &Option<Message>, name: &str| {
        message.as_ref().unwrap().headers.iter().any(|(field, _)| field == name)
    };
    assert!(!has(&stamp.request.0, "x-stamps") && has(&stamp.request.1, "x-stamps"));
    assert!(has(&stamp.response.1, "x-stamps-back") && !has(&stamp.response.0, "x-stamps-back"));
    for message in [&block.request.0, &block.request.1, &foreign.request.1] {
        let message = message.as_ref().unwrap();
        assert!(message.whole);
        assert_eq!((message.body.as_slice(), message.length, message.trailers.len()), (&b"good"[..], 4, 1));
    }
    assert_eq!(json(&trace, &capture)["answeredBy"]["kind"], "upstream");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_plug_in_that_responds_is_found() {
    let gateway = Gateway::new();
    for args in [&["http://h/swagger.html"][..], &["http://h/p", "-d", "a secret, cut", "--chunk", "4"]] {
        let (trace, capture) = gateway.trace(&sent(args));
        assert_eq!(trace.responder, Responder::Plugin(1), "{trace:?}");
        assert_eq!(json(&trace, &capture)["answeredBy"]["plugin"], "block");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_service_that_does_not_respond_is_told_from_one_that_refuses() {
    // Port 1 is closed.
    let gateway = Gateway::with_service("auth.static, port: 80, address: '127.0.0.1:1'");
    let (trace, capture) = gateway.trace(&sent(&["http://h/p"]));
    assert_eq!(trace.responder, Responder::Plugin(0), "{trace:?}");
    let end = trace.hops[0].calls[0].end.as_ref().unwrap();
    assert_eq!(end.status, 503);
    assert!(end.failure.as_ref().unwrap().contains("connection failure"), "{end:?}");
    let call = &json(&trace, &capture)["plugins"][0]["calls"][0];
    assert_eq!((call["status"].as_u64(), call["way"].as_str()), (Some(503), Some("request")));
}

/// Bodies are changed in both directions, and headers held until they are.
const MASK: &str = "
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: mask }
spec:
  url: workspace:ai-data-masking
  defaultConfig:
    deny_words: [forbidden]
    deny_openai: false
    deny_raw: true
    replace_roles: [{ regex: '%{EMAILLOCALPART}@%{HOSTNAME:domain}', type: replace, restore: true, value: '****@$domain' }]
";

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn changed_bodies_are_traced_before_and_after_the_change() {
    let gateway = Gateway::of([("mask.yaml", MASK.to_owned())]);
    let mail = r#"{"a": "write to me@example.com"}"#;
    let json = "content-type: application/json";
    for args in [
        &["http://h/p", "-d", mail, "-H", json][..],
        &["http://h/p", "-d", mail, "-H", json, "--chunk", "5", "--trailer", "x-t: t", "--http2"],
        &["http://h/p", "-d", "something forbidden", "--chunk", "6"],
        &["http://h/p"],
    ] {
        gateway.compare(args);
    }
    let (trace, _) = gateway.trace(&sent(&["http://h/p", "-d", mail, "-H", json]));
    assert_eq!(trace.responder, Responder::Upstream);
    let text = |message: &Option<Message>| String::from_utf8(message.as_ref().unwrap().body.clone()).unwrap();
    let [hop] = trace.hops.as_slice() else { panic!("{trace:?}") };
    assert_eq!(text(&hop.request.0), mail);
    assert_eq!(text(&hop.request.1), mail.replace("me@", "****@"));
    assert!(text(&hop.response.0).contains("****@example.com"), "{hop:?}");
    assert!(text(&hop.response.1).contains("write to me@example.com"), "{hop:?}");
}

/// Opens a WebSocket in an Envoy with probes, sends the lines, and returns the trace and the events.
fn chat(gateway: &Gateway, args: &[&str], lines: &[&str]) -> (Trace, Capture, Vec<Event>) {
    let sent = sent(args);
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    lines.iter().for_each(|line| sender.try_send((*line).to_owned()).unwrap());
    drop(sender);
    let mut came = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let capture = runtime.block_on(async {
        let echo = gateway::echo::start().await.unwrap();
        let exchange = async |address| {
            let mut opened = 0;
            let answer = talk(
                address,
                &sent,
                receiver,
                |_| {
                    opened += 1;
                    Ok(())
                },
                |message| {
                    came.push(message.clone());
                    Ok(())
                },
            );
            let answer = answer.await;
            assert_eq!(opened, 1, "the response is shown once");
            answer
        };
        run_with(&gateway.envoy, &gateway.plan, echo, true, exchange).await.unwrap()
    });
    let names: Vec<&str> = gateway.plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
    (Trace::of(&capture, &names), capture, came)
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_websocket_is_traced_and_closed_over_both_versions_of_http() {
    let gateway = Gateway::new();
    for (args, status) in [(&["ws://h/chat"][..], 101), (&["ws://h/chat", "--http2"], 200)] {
        let (trace, capture, came) = chat(&gateway, args, &["one", "two"]);
        let answer = capture.response.as_ref().unwrap();
        assert_eq!((answer.status, answer.interrupted.as_ref()), (status, None), "{args:?}");
        let [Event::Text(one), Event::Text(two), Event::Closed(_)] = came.as_slice() else {
            panic!("{args:?}: {came:?}")
        };
        assert_eq!((one.as_str(), two.as_str()), ("one", "two"), "{args:?}");
        assert_eq!(trace.responder, Responder::Upstream, "{args:?}: {}", trace.details);
        // Every plug-in was passed by the frames of both.
        for hop in &trace.hops {
            let [sent, back] = [&hop.request.1, &hop.response.1].map(|message| message.as_ref().unwrap());
            assert!(sent.length > 10 && back.length > 10, "{args:?}: {hop:?}");
        }
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_websocket_that_a_plug_in_refuses_is_a_response() {
    let gateway = Gateway::new();
    for args in [&["ws://h/swagger.html"][..], &["ws://h/swagger.html", "--http2"]] {
        let (trace, capture, came) = chat(&gateway, args, &["never sent"]);
        let answer = capture.response.as_ref().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (403, b"not here".as_slice()), "{args:?}");
        assert_eq!((trace.responder, came.len()), (Responder::Plugin(1), 0), "{args:?}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_trace_hides_credentials_everywhere() {
    let gateway = Gateway::new();
    let secrets = ["abcdef-bearer", "abcdef-session", "abcdef-key", "abcdef-form", "abcdef-ca"];
    let sent = sent(&[
        "/x?user=me&api_key=abcdef-key",
        "-H",
        "authorization: Bearer abcdef-bearer",
        "-H",
        "cookie: theme=dark; session=abcdef-session",
        "-H",
        "x-ca-signature: abcdef-ca",
        "-H",
        "x-copy: abcdef-session",
        "-d",
        "name=me&password=abcdef-form",
    ]);
    let (trace, capture) = gateway.trace(&sent);
    let hiding = redacted(&trace, &redactor(&sent, &capture, &trace));
    // The echo's response contains the whole request.
    let text = json(&hiding, &capture).to_string();
    assert!(text.contains("user=me") && text.contains("name=me") && text.contains("<hidden>"), "{text}");
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let shown = json(&redacted(&trace, &Redactor::disabled()), &capture).to_string();
    assert!(secrets.iter().all(|secret| shown.contains(secret)), "{shown}");
}
