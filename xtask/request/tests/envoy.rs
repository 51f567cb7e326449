//! Traces in a real Envoy: `cargo xtask test` runs these, plain `cargo test` does not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may stop")]

use std::fs;
use std::path::Path;

use clap::Parser;
use gateway::client::{Answer, Sent};
use gateway::folder::StageOrder;
use gateway::modules::Modules;
use gateway::plan::{Plan, Planner};
use gateway::secret::Hider;
use gateway::trace::{Answerer, Story, Traced, Way, hidden, hider, json, run, run_with};
use gateway::websocket::{Received, talk};
use gateway::workspace::Workspace;
use gateway::{Envoy, target_dir};
use request::show::show;
use serde_json::Value;
use tempfile::TempDir;

/// A plug-in of nobody's SDK, which lets everything pass.
const FOREIGN: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

/// Authorization asks a service, a body is held until its end, headers are changed on both ways, and a foreign plug-in
/// tells nothing.
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

/// A text without its colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// What every test has: the folder, what it comes to, and an Envoy.
struct Gateway {
    _folder: TempDir,
    plan: Plan,
    envoy: Envoy,
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: request::curl::Args,
}

fn sent(args: &[&str]) -> Sent {
    Cli::parse_from(std::iter::once(&"request").chain(args)).args.request().unwrap()
}

impl Gateway {
    fn new() -> Self {
        Self::with_service("auth.static, port: 80")
    }

    /// The authorization service written so in `routes.yaml`.
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
        let workspace = Workspace { root, target: target.clone(), profile: "wasm-dev".into(), xtask: None };
        let envoy = Envoy::find(&target).unwrap();
        let modules = Modules::new(workspace, false);
        let mut planner = Planner::new(folder.path().into(), StageOrder::Mse, modules, envoy.clone());
        let (plan, faults) = planner.plan(None, &[]);
        assert!(faults.is_empty(), "{faults:?}");
        Self { _folder: folder, plan, envoy }
    }

    fn run(&self, sent: &Sent, probes: bool) -> Traced {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let echo = gateway::echo::start().await.unwrap();
            run(&self.envoy, &self.plan, echo, sent, probes).await.unwrap()
        })
    }

    fn story(&self, sent: &Sent) -> (Story, Traced) {
        let traced = self.run(sent, true);
        let names: Vec<&str> = self.plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
        let mut story = Story::of(&traced, &names);
        story.name_rules(&self.plan);
        (story, traced)
    }

    /// Sends a request with probes and without, and compares what comes of it.
    fn compare(&self, args: &[&str]) {
        let sent = sent(args);
        let (plain, traced) = (self.run(&sent, false), self.run(&sent, true));
        let (plain_access, traced_access) = (plain.access.unwrap(), traced.access.unwrap());
        assert_eq!(comparable(traced.answer), comparable(plain.answer), "{args:?}");
        assert_eq!(
            (traced_access.status, traced_access.details, traced_access.flags),
            (plain_access.status, plain_access.details, plain_access.flags),
            "{args:?}"
        );
    }
}

/// An answer without what is another in each request.
fn comparable(answer: Option<Answer>) -> Option<(Answer, Value)> {
    let mut answer = answer?;
    for name in ["date", "content-length", "x-envoy-upstream-service-time"] {
        answer.headers.remove(name);
    }
    let mut body: Value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body).into_owned()));
    if let Some(headers) = body.get_mut("headers").and_then(Value::as_object_mut) {
        headers.remove("x-request-id");
    }
    answer.body.clear();
    Some((answer, body))
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_traced_request_comes_to_what_it_comes_to_without_probes() {
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
        &["http://h/p", "--data-binary", &large, "--chunk", "10000", "--http2"],
        &["http://h/p", "-d", with_secret, "--chunk", "5"],
        &["http://h/p", "-d", with_secret, "--chunk", "5", "--trailer", "x-trailer: t", "--http2"],
        &["http://h/p", "-X", "HEAD"],
    ] {
        gateway.compare(args);
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_trace_tells_what_each_plug_in_did_on_both_ways() {
    let gateway = Gateway::new();
    let (story, traced) =
        gateway.story(&sent(&["http://h/p", "-d", "good", "--trailer", "x-t: 1", "--http2"]));
    assert_eq!(story.answerer, Answerer::Upstream);
    let names: Vec<&str> = story.hops.iter().map(|hop| hop.name.as_str()).collect();
    assert_eq!(names, ["auth", "block", "stamp", "foreign"]);
    let [auth, block, stamp, foreign] = story.hops.as_slice() else { panic!("{story:?}") };
    let rules: Vec<Option<&str>> = story.hops.iter().map(|hop| hop.rule.as_deref()).collect();
    assert_eq!(rules, [Some("_rules_[0]"), Some("global"), Some("global"), None]);
    let fields: Vec<Option<&str>> = story.hops.iter().map(|hop| hop.field.as_deref()).collect();
    let default = Some("spec.defaultConfig");
    assert_eq!(fields, [Some("spec.matchRules[0]"), default, default, None]);
    let [call] = auth.calls.as_slice() else { panic!("{auth:?}") };
    assert_eq!((call.way, call.path.as_str()), (Way::Request, "/check"));
    assert_eq!(call.cluster, "outbound|80||auth.static");
    let end = call.end.as_ref().unwrap();
    assert_eq!((end.status, end.failure.as_deref()), (200, None));
    assert!(end.took > 0 && story.probe.is_some());
    // Each line on the way on which it was logged.
    let ways: Vec<Way> = stamp.log.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways.first(), Some(&Way::Request), "{stamp:?}");
    let has = |message: &Option<gateway::trace::Message>, name: &str| {
        message.as_ref().unwrap().headers.iter().any(|(field, _)| field == name)
    };
    assert!(!has(&stamp.request.0, "x-stamps") && has(&stamp.request.1, "x-stamps"));
    assert!(has(&stamp.response.1, "x-stamps-back") && !has(&stamp.response.0, "x-stamps-back"));
    for message in [&block.request.0, &block.request.1, &foreign.request.1] {
        let message = message.as_ref().unwrap();
        assert!(message.whole);
        assert_eq!((message.body.as_slice(), message.length, message.trailers.len()), (&b"good"[..], 4, 1));
    }
    let shown = plain(&show(&story, &traced));
    for expected in [
        "the upstream answered 200",
        ":path: /p",
        "body of 4 bytes: good",
        "+ x-stamps: s",
        "auth (by spec.matchRules[0])",
        "foreign (rule not reported)",
        "asked for /check of outbound|80||auth.static: 200 after ",
        "Times go from one probe to the next",
    ] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    assert_eq!(json(&story, &traced)["answeredBy"]["kind"], "upstream");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn who_answered_and_why_comes_first() {
    let gateway = Gateway::new();
    for (args, first) in [
        (
            &["http://h/swagger.html"][..],
            "block answered 403 (request-block.url_blocked) by spec.defaultConfig:\n  block_urls[0]\n",
        ),
        (
            &["http://h/p", "-d", "a secret, cut", "--chunk", "4"],
            "block answered 403 (request-block.body_blocked) by spec.defaultConfig:\n  block_bodies[0]\n",
        ),
    ] {
        let (story, traced) = gateway.story(&sent(args));
        assert_eq!(story.answerer, Answerer::Plugin(1), "{story:?}");
        let shown = plain(&show(&story, &traced));
        assert!(shown.contains(first), "{first} in\n{shown}");
        let (above, _) = shown.split_once("counters and gauges").unwrap();
        assert_eq!(above.matches("request-block.").count(), 1, "said once:\n{shown}");
        let longest = shown.lines().map(request::layout::columns).max();
        assert!(longest <= Some(request::layout::WIDTH), "{longest:?} columns:\n{shown}");
        assert_eq!(json(&story, &traced)["answeredBy"]["plugin"], "block");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_service_that_does_not_answer_is_told_from_one_that_refuses() {
    // Nobody listens on port 1.
    let gateway = Gateway::with_service("auth.static, port: 80, address: '127.0.0.1:1'");
    let (story, traced) = gateway.story(&sent(&["http://h/p"]));
    assert_eq!(story.answerer, Answerer::Plugin(0), "{story:?}");
    let end = story.hops[0].calls[0].end.as_ref().unwrap();
    assert_eq!(end.status, 503);
    assert!(end.failure.as_ref().unwrap().contains("connection failure"), "{end:?}");
    let shown = show(&story, &traced);
    assert!(shown.contains(": no answer after ") && shown.contains("told as 503"), "{shown}");
    let call = &json(&story, &traced)["plugins"][0]["calls"][0];
    assert_eq!((call["status"].as_u64(), call["way"].as_str()), (Some(503), Some("request")));
}

/// Bodies are changed on both ways, and heads held until they are.
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
fn bodies_that_are_changed_are_shown_before_and_after_and_changed_without_probes_too() {
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
    let (story, traced) = gateway.story(&sent(&["http://h/p", "-d", mail, "-H", json]));
    assert_eq!(story.answerer, Answerer::Upstream);
    let text = |message: &Option<gateway::trace::Message>| {
        String::from_utf8(message.as_ref().unwrap().body.clone()).unwrap()
    };
    let [hop] = story.hops.as_slice() else { panic!("{story:?}") };
    assert_eq!(text(&hop.request.0), mail);
    assert_eq!(text(&hop.request.1), mail.replace("me@", "****@"));
    assert!(text(&hop.response.0).contains("****@example.com"), "{hop:?}");
    assert!(text(&hop.response.1).contains("write to me@example.com"), "{hop:?}");
    let shown = show(&story, &traced);
    assert!(shown.contains(r#"+ body of 34 bytes: {"a": "write to ****@example.com"}"#), "{shown}");
}

/// Opens a WebSocket in an Envoy with probes, sends the lines, and gives the story and what came.
fn chat(gateway: &Gateway, args: &[&str], lines: &[&str]) -> (Story, Traced, Vec<Received>) {
    let sent = sent(args);
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    lines.iter().for_each(|line| sender.try_send((*line).to_owned()).unwrap());
    drop(sender);
    let mut came = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let traced = runtime.block_on(async {
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
    (Story::of(&traced, &names), traced, came)
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_websocket_is_traced_and_closed_over_both_versions_of_http() {
    let gateway = Gateway::new();
    for (args, status) in [(&["ws://h/chat"][..], 101), (&["ws://h/chat", "--http2"], 200)] {
        let (story, traced, came) = chat(&gateway, args, &["one", "two"]);
        let answer = traced.answer.as_ref().unwrap();
        assert_eq!((answer.status, answer.broken.as_ref()), (status, None), "{args:?}");
        let [Received::Text(one), Received::Text(two), Received::Closed(_)] = came.as_slice() else {
            panic!("{args:?}: {came:?}")
        };
        assert_eq!((one.as_str(), two.as_str()), ("one", "two"), "{args:?}");
        assert_eq!(story.answerer, Answerer::Upstream, "{args:?}: {}", story.details);
        // Every plug-in was passed by the frames of both.
        for hop in &story.hops {
            let [sent, back] = [&hop.request.1, &hop.response.1].map(|message| message.as_ref().unwrap());
            assert!(sent.length > 10 && back.length > 10, "{args:?}: {hop:?}");
        }
        let shown = plain(&show(&story, &traced));
        assert!(shown.starts_with(&format!("the upstream answered {status}")), "{args:?}: {shown}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_websocket_that_a_plug_in_refuses_is_an_answer() {
    let gateway = Gateway::new();
    for args in [&["ws://h/swagger.html"][..], &["ws://h/swagger.html", "--http2"]] {
        let (story, traced, came) = chat(&gateway, args, &["never sent"]);
        let answer = traced.answer.as_ref().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (403, b"not here".as_slice()), "{args:?}");
        assert_eq!((story.answerer, came.len()), (Answerer::Plugin(1), 0), "{args:?}");
    }
}

#[test]
fn usage_lines_show_what_a_person_gives() {
    for (args, usage) in [
        (["request", "--help"], "Usage: cargo xtask request [OPTIONS] "),
        (["request", "--no-such-option"], "Usage: cargo xtask request [OPTIONS] "),
        (["explain", "--help"], "Usage: cargo xtask explain [OPTIONS] --host <HOST> [FOLDER]"),
        (["explain", "--no-such-option"], "Usage: cargo xtask explain [OPTIONS] --host <HOST> [FOLDER]"),
    ] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_xtask-request")).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(usage) && !said.contains("--root"), "{said}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_trace_hides_credentials_wherever_they_turn_up() {
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
    let (story, traced) = gateway.story(&sent);
    let hiding = hidden(&story, &hider(&sent, &traced, &story));
    // The echo's answer holds the whole request.
    let told = json(&hiding, &traced).to_string();
    assert!(told.contains("user=me") && told.contains("name=me"), "{told}");
    for text in [show(&hiding, &traced), told] {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("<hidden>"), "{text}");
    }
    let shown = json(&hidden(&story, &Hider::shows_all()), &traced).to_string();
    assert!(secrets.iter().all(|secret| shown.contains(secret)), "{shown}");
}
