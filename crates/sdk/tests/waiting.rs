//! Requests that wait: for one answer, for several, in both pause modes, and for none that comes.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::rc::Rc;

use host::TestHost;
use sdk::Status;
use sdk::native::Entry;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
const ROOT: u32 = 1;

/// Does with a request what its path says.
mod asks {
    use sdk::call::{Cluster, GrpcCall, HttpCall, first_of, join};
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {
        service: String,
    }

    struct Asks;

    #[derive(Default)]
    pub struct Kept {
        answers: Vec<u16>,
        body: Vec<u8>,
    }

    fn call(config: &Config, path: &str) -> HttpCall {
        HttpCall::get(Cluster::named(&config.service, "host"), path)
    }

    #[plugin(call_outs)]
    impl Plugin for Asks {
        const NAME: &'static str = "asks";
        type Config = Config;
        type State = Kept;

        fn on_request_headers(request: &mut RequestHeaders<Kept>, config: &Config) -> Flow {
            match request.path().as_slice() {
                b"/pass" => Flow::Continue,
                b"/one-after-the-other" => request.wait(config, async |request, config| {
                    for path in ["/1", "/2"] {
                        match call(&config, path).send().await {
                            Ok(answer) => request.state.answers.push(answer.status()),
                            Err(error) => {
                                warn!("{error}");
                                return Failure::Closed.flow("asks.no_answer");
                            }
                        }
                    }
                    request.set("x-answers", format!("{:?}", request.state.answers));
                    Flow::Continue
                }),
                b"/both" => request.wait(config, async |request, config| {
                    let (a, b) = join(call(&config, "/a").send(), call(&config, "/b").send()).await;
                    let status =
                        |answer: Result<sdk::call::HttpResponse, _>| answer.map_or(0, |a| a.status());
                    request.state.answers.extend([status(a), status(b)]);
                    request.set("x-answers", format!("{:?}", request.state.answers));
                    Flow::Continue
                }),
                b"/first" => request.wait(config, async |request, config| {
                    let calls = ["/a", "/b"].map(|path| call(&config, path).send());
                    let first = first_of(calls.map(Box::pin)).await;
                    let status = first.and_then(Result::ok).map_or(0, |answer| answer.status());
                    request.set("x-answers", status.to_string());
                    Flow::Continue
                }),
                b"/grpc" => request.wait(config, async |request, config| {
                    let cluster = Cluster::named(&config.service, "host");
                    let answer = GrpcCall::new(cluster, "auth.Auth", "Check", "in").send().await;
                    request.set("x-answers", format!("{answer:?}"));
                    Flow::Continue
                }),
                b"/nothing" => request.wait(config, async |_, _| {
                    std::future::pending::<()>().await;
                    Flow::Continue
                }),
                b"/at-once" => request.wait(config, async |request, _| {
                    request.set("x-answers", "none needed");
                    Flow::Continue
                }),
                _ => request.wait(config, async |_, config| match call(&config, "/deny").send().await {
                    Ok(_) => Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("asks.denied")),
                    Err(_) => Failure::Open.flow("asks.no_answer"),
                }),
            }
        }

        fn on_request_body(body: &mut RequestBody<Kept>, config: &Config) -> Flow {
            let chunk = body.chunk();
            body.state.body.extend(&chunk);
            info!("{} {}", String::from_utf8_lossy(&chunk), body.is_last());
            if body.state.body == b"wait" {
                return body.wait(config, async |request, config| {
                    let answer = call(&config, "/body").send().await;
                    request.state.answers.extend(answer.map(|answer| answer.status()));
                    Flow::Continue
                });
            }
            if body.state.body.ends_with(b"!") {
                return Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("asks.shouted"));
            }
            Flow::Continue
        }

        fn on_response_headers(response: &mut ResponseHeaders<Kept>, _: &Config) -> Flow {
            let kept = response.state.as_ref().map(|state| state.answers.clone());
            response.set("x-kept", format!("{kept:?}"));
            Flow::Continue
        }

        fn on_log(end: &mut StreamEnd<Kept>, _: &Config) {
            let kept = end.state.as_ref().map(|state| state.answers.clone());
            info!("over with {kept:?}");
        }
    }
}

struct Vm {
    entry: Entry,
    host: Rc<RefCell<TestHost>>,
}

impl Vm {
    fn new() -> Self {
        let vm = Vm { entry: asks::entry(), host: host::install() };
        let configuration = r#"{"service": "s"}"#;
        vm.host.borrow_mut().configuration = configuration;
        (vm.entry.on_context_create)(ROOT, 0);
        assert!((vm.entry.on_configure)(ROOT, configuration.len()));
        vm
    }

    fn request(&self, context: u32, path: &'static str) -> u32 {
        self.host.borrow_mut().headers = [(":path", path)].into();
        (self.entry.on_context_create)(context, ROOT);
        self.entry.on_request_headers.unwrap()(context, 4, false)
    }

    fn body(&self, context: u32, buffer: &str, last: bool) -> u32 {
        self.host.borrow_mut().body = buffer.as_bytes().to_vec();
        self.entry.on_request_body.unwrap()(context, buffer.len(), last)
    }

    /// Answers the call of a token with a status; 0 means no response.
    fn answer(&self, context: u32, token: u32, status: u16) {
        let count = usize::from(status != 0);
        let value = status.to_string();
        let mut map = 1u32.to_le_bytes().to_vec();
        map.extend(7u32.to_le_bytes());
        map.extend((value.len() as u32).to_le_bytes());
        map.extend(b":status\0");
        map.extend(value.as_bytes());
        map.push(0);
        self.host.borrow_mut().answer = (map, b"body".to_vec());
        self.entry.on_http_call_response.unwrap()(context, token, count, 4, 0);
    }

    fn made(&self) -> Vec<String> {
        self.host.borrow().made.clone()
    }

    fn set(&self) -> Vec<String> {
        let set = std::mem::take(&mut self.host.borrow_mut().set);
        set.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    fn continued(&self) -> Vec<u32> {
        std::mem::take(&mut self.host.borrow_mut().continued)
    }

    fn replies(&self) -> Vec<(u32, String)> {
        std::mem::take(&mut self.host.borrow_mut().replies)
    }
}

#[test]
fn a_request_without_pending_calls_does_not_wait() {
    let vm = Vm::new();
    vm.host.borrow_mut().calls.clear();
    assert_eq!(vm.request(2, "/pass"), CONTINUE);
    assert_eq!(vm.host.borrow().calls, ["header_pairs", "header"], "its kind, its path, and nothing else");
    assert_eq!(vm.request(3, "/at-once"), CONTINUE);
    assert_eq!(vm.set(), ["x-answers: none needed"]);
    assert!(vm.continued().is_empty(), "it never paused");
}

#[test]
fn responses_are_awaited_one_after_the_other() {
    let vm = Vm::new();
    assert_eq!(vm.request(2, "/one-after-the-other"), PAUSE);
    assert_eq!(vm.made(), ["s GET /1"]);
    vm.answer(2, 1, 200);
    assert_eq!(vm.made(), ["s GET /1", "s GET /2"]);
    assert!(vm.continued().is_empty());
    vm.answer(2, 2, 404);
    assert_eq!(vm.continued(), [0]);
    vm.entry.on_response_headers.unwrap()(2, 1, true);
    assert_eq!(vm.set(), ["x-answers: [200, 404]", "x-kept: Some([200, 404])"], "the state comes back");
}

#[test]
fn a_stream_that_ends_while_it_waits_has_its_state_at_the_end() {
    let vm = Vm::new();
    assert_eq!(vm.request(2, "/one-after-the-other"), PAUSE);
    vm.answer(2, 1, 200);
    vm.entry.on_log.unwrap()(2);
    assert_eq!(vm.host.borrow().log.last().unwrap(), "over with Some([200])");
    vm.answer(2, 2, 200);
    assert!(vm.set().is_empty() && vm.continued().is_empty(), "the work was dropped");
    (vm.entry.on_delete)(2);
    assert_eq!(vm.entry.live.unwrap()(), 0);
    // A stream of which the plug-in has seen nothing.
    (vm.entry.on_context_create)(3, ROOT);
    vm.entry.on_log.unwrap()(3);
    assert_eq!(vm.host.borrow().log.last().unwrap(), "over with None");
}

#[test]
fn responses_are_awaited_concurrently_in_any_order() {
    for order in [[1, 2], [2, 1]] {
        let vm = Vm::new();
        assert_eq!(vm.request(2, "/both"), PAUSE);
        assert_eq!(vm.made(), ["s GET /a", "s GET /b"]);
        for token in order {
            vm.answer(2, token, 200 + token as u16);
        }
        assert_eq!(vm.set(), ["x-answers: [201, 202]"]);
        assert_eq!(vm.continued(), [0]);
    }
}

#[test]
fn the_first_response_wins_and_late_ones_are_ignored() {
    let vm = Vm::new();
    vm.request(2, "/first");
    vm.answer(2, 2, 202);
    assert_eq!((vm.set(), vm.continued()), (vec!["x-answers: 202".to_string()], vec![0]));
    vm.answer(2, 1, 201);
    assert!(vm.set().is_empty() && vm.continued().is_empty() && vm.replies().is_empty());
}

#[test]
fn a_missing_response_fails_open_or_closed() {
    let vm = Vm::new();
    vm.request(2, "/one-after-the-other");
    vm.answer(2, 1, 0);
    assert_eq!(vm.replies(), [(503, "asks.no_answer".to_string())]);
    assert!(vm.continued().is_empty());
    vm.request(3, "/other");
    vm.answer(3, 2, 0);
    assert_eq!(vm.continued(), [0]);
    vm.request(4, "/other");
    vm.answer(4, 3, 200);
    assert_eq!(vm.replies(), [(403, "asks.denied".to_string())]);
}

#[test]
fn a_rejected_call_fails_immediately() {
    let vm = Vm::new();
    vm.host.borrow_mut().failing = [("http_call", Status::BAD_ARGUMENT)].into();
    assert_eq!(vm.request(2, "/other"), CONTINUE, "open");
    assert_eq!(vm.request(3, "/one-after-the-other"), PAUSE, "answered");
    assert_eq!(vm.replies(), [(503, "asks.no_answer".to_string())]);
    assert!(vm.host.borrow().log.iter().any(|line| line.contains("unknown cluster")));
}

#[test]
fn work_without_pending_calls_is_aborted() {
    let vm = Vm::new();
    assert_eq!(vm.request(2, "/nothing"), PAUSE);
    assert_eq!(vm.replies(), [(503, "asks.host_failure".to_string())]);
}

#[test]
fn a_stream_that_ends_while_it_waits_is_cleaned_up() {
    let vm = Vm::new();
    for context in 2..1000 {
        vm.request(context, if context % 2 == 0 { "/both" } else { "/grpc" });
        (vm.entry.on_delete)(context);
    }
    let made = vm.made().len() as u32;
    let grpc = vm.made().iter().filter(|call| call.starts_with("grpc")).count();
    assert_eq!(vm.host.borrow().cancelled.len(), grpc, "what can be cancelled is");
    vm.set();
    for token in 1..=made {
        vm.answer(2, token, 200);
        vm.entry.on_grpc_close.unwrap()(2, token, 0);
    }
    assert!(vm.set().is_empty() && vm.continued().is_empty() && vm.replies().is_empty());
}

#[test]
fn a_grpc_call_returns_its_message_or_its_status() {
    let vm = Vm::new();
    vm.request(2, "/grpc");
    vm.request(3, "/grpc");
    assert_eq!(vm.made(), ["grpc auth.Auth/Check", "grpc auth.Auth/Check"]);
    vm.host.borrow_mut().answer.1 = b"out".to_vec();
    vm.entry.on_grpc_receive.unwrap()(2, 1, 3);
    vm.entry.on_grpc_close.unwrap()(3, 2, 7);
    assert_eq!(vm.set(), ["x-answers: Ok([111, 117, 116])", "x-answers: Err(Status(7))"]);
    assert_eq!(vm.continued(), [0, 0]);
    assert!(vm.host.borrow().cancelled.is_empty());
}

#[test]
fn a_response_delivered_to_the_root_wakes_its_stream() {
    let vm = Vm::new();
    vm.request(2, "/other");
    vm.host.borrow_mut().calls.clear();
    vm.answer(ROOT, 1, 200);
    assert!(vm.host.borrow().calls.contains(&"set_effective_context"));
    assert_eq!(vm.replies(), [(403, "asks.denied".to_string())]);
}

#[test]
fn a_body_that_arrives_while_the_headers_wait_is_held_and_then_read() {
    for (body, last, continued, replies) in [("ab", true, 1, 0), ("ab!", true, 0, 1), ("ab", false, 1, 0)] {
        let vm = Vm::new();
        vm.request(2, "/one-after-the-other");
        assert_eq!(vm.body(2, &body[..1], false), PAUSE);
        assert_eq!(vm.body(2, body, last), PAUSE);
        assert!(vm.host.borrow().log.is_empty(), "it is not read yet");
        vm.answer(2, 1, 200);
        vm.answer(2, 2, 200);
        assert_eq!(vm.host.borrow().log[0], format!("{body} {last}"));
        assert_eq!((vm.continued().len(), vm.replies().len()), (continued, replies), "{body}");
    }
}

#[test]
fn trailers_that_arrive_while_the_headers_wait_are_the_end_of_the_body() {
    let vm = Vm::new();
    vm.request(2, "/one-after-the-other");
    assert_eq!(vm.body(2, "stop!", false), PAUSE);
    assert_eq!(vm.entry.on_request_trailers.unwrap()(2, 1), PAUSE);
    vm.answer(2, 1, 200);
    vm.answer(2, 2, 200);
    assert_eq!(vm.host.borrow().log[0], "stop! true");
    assert_eq!(vm.replies(), [(403, "asks.shouted".to_string())]);
    assert!(vm.continued().is_empty());
}

#[test]
fn a_body_can_wait_and_every_byte_is_read_once() {
    let vm = Vm::new();
    vm.request(2, "/pass");
    assert_eq!(vm.body(2, "wait", false), PAUSE);
    assert_eq!(vm.body(2, "wait and", false), PAUSE);
    assert_eq!(vm.body(2, "wait and see", true), PAUSE);
    vm.answer(2, 1, 200);
    assert_eq!(vm.host.borrow().log, ["wait false", " and see true"]);
    assert_eq!(vm.continued(), [0]);
}

/// Waits in the headers callback and writes no other: its body must not take held headers along.
mod heads_only {
    use sdk::call::{Cluster, HttpCall};
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {}

    struct HeadsOnly;

    #[plugin(call_outs)]
    impl Plugin for HeadsOnly {
        const NAME: &'static str = "heads-only";
        type Config = Config;

        fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
            request.wait(config, async |_, _| {
                let _ = HttpCall::get(Cluster::named("s", "host"), "/").send().await;
                Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("heads-only.denied"))
            })
        }
    }
}

#[test]
fn a_plugin_that_waits_holds_bodies_without_a_body_callback() {
    let vm = Vm { entry: heads_only::entry(), host: host::install() };
    vm.host.borrow_mut().configuration = "{}";
    assert!((vm.entry.on_configure)(ROOT, 2));
    assert_eq!(vm.request(2, "/"), PAUSE);
    assert_eq!(vm.body(2, "body", false), PAUSE);
    assert_eq!(vm.entry.on_request_trailers.unwrap()(2, 1), PAUSE);
    vm.answer(2, 1, 200);
    assert_eq!(vm.replies(), [(403, "heads-only.denied".to_string())]);
    assert!(vm.continued().is_empty());
}
