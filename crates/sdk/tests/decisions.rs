//! One place decides how a stream continues: after a callback and after work alike, on both halves, whoever made the
//! calls that it waits for.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use host::TestHost;
use sdk::Status;
use sdk::native::Entry;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
const ROOT: u32 = 1;

/// Does with a message what the path of its request says.
mod waits {
    use std::cell::RefCell;
    use std::future::Future;
    use std::pin::Pin;

    use sdk::call::{CallError, Cluster, HttpCall, HttpResponse};
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {}

    type Answer = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>>>>;

    #[derive(Default)]
    pub struct State {
        path: Vec<u8>,
        body: Vec<u8>,
        call: Option<Answer>,
    }

    thread_local! {
        /// A call that one stream makes and another awaits.
        static HANDED_ON: RefCell<Option<Answer>> = const { RefCell::new(None) };
    }

    fn call(path: &str) -> Answer {
        Box::pin(HttpCall::get(Cluster::named("c", "h"), path).send())
    }

    fn shown(answer: &Result<HttpResponse, CallError>) -> String {
        answer.as_ref().map_or_else(|error| format!("{error:?}"), |answer| answer.status().to_string())
    }

    struct Waits;

    #[plugin(call_outs)]
    impl Plugin for Waits {
        const NAME: &'static str = "waits";
        const ON_FAILURE: Failure = Failure::Open;
        type Config = Config;
        type State = State;

        fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
            request.state.path = request.path();
            match request.state.path.as_slice() {
                b"/early" => {
                    let call = call("/x");
                    request.wait(config, async move |_, _| match call.await {
                        Ok(_) => Flow::Continue,
                        Err(_) => Flow::Reset,
                    })
                }
                b"/usual" => request.wait(config, async |_, _| {
                    let _ = call("/y").await;
                    Flow::Continue
                }),
                b"/hold" => request.wait(config, async |_, _| Flow::Hold),
                b"/hold-later" => request.wait(config, async |_, _| {
                    let _ = call("/y").await;
                    Flow::Hold
                }),
                b"/gives-up" => request.wait(config, async |request, _| {
                    request.state.body.extend(b"kept ");
                    std::future::pending::<()>().await;
                    Flow::Continue
                }),
                b"/fails-later" => request.wait(config, async |request, _| {
                    let _ = call("/y").await;
                    request.set("x-fails", "");
                    Flow::Continue
                }),
                b"/drops" => {
                    drop(request.wait(config, async |_, _| Flow::Continue));
                    request.state.body.extend(b"kept ");
                    Flow::Continue
                }
                b"/keeps-call" => {
                    request.state.call = Some(call("/kept"));
                    Flow::Continue
                }
                b"/hands-on" => {
                    HANDED_ON.set(Some(call("/handed-on")));
                    Flow::Continue
                }
                b"/takes" => request.wait(config, async |request, _| {
                    if let Some(call) = HANDED_ON.take() {
                        request.set("x-answer", shown(&call.await));
                    }
                    Flow::Continue
                }),
                b"/dry-head" => {
                    Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("waits.denied").dry_run(true))
                }
                _ => Flow::Continue,
            }
        }

        fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
            if body.is_last() && body.state.path == b"/hold-body" {
                return body.wait(config, async |_, _| Flow::Hold);
            }
            let chunk = body.chunk();
            body.state.body.extend(&chunk);
            info!("saw {:?} of {:?}", text(&chunk), text(&body.state.body));
            match body.state.path.as_slice() {
                b"/keeps-call" => {
                    return body.wait(config, async |request, _| {
                        if let Some(call) = request.state.call.take() {
                            info!("answer {}", shown(&call.await));
                        }
                        Flow::Continue
                    });
                }
                b"/body-waits" => {
                    return body.wait(config, async |_, _| {
                        let _ = call("/request").await;
                        Flow::Continue
                    });
                }
                b"/dry" if chunk.ends_with(b"!") => {
                    let reply = Reply::new(StatusCode::FORBIDDEN).details("waits.denied");
                    return Flow::Reply(reply.dry_run(true));
                }
                b"/streams" => return Flow::Continue,
                _ => {}
            }
            if body.is_last() { Flow::Continue } else { Flow::Hold }
        }

        fn on_request_trailers(trailers: &mut RequestTrailers<State>, _: &Config) -> Flow {
            info!("trailers of {:?}", text(&trailers.state.path));
            trailers.set("x-seen", "");
            Flow::Hold
        }

        fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
            info!("state {:?}", response.state.as_ref().map(|state| text(&state.path)));
            if response.get("x-wait").is_some() {
                return response.wait(config, async |response, _| {
                    let answer = call("/response").await;
                    let path = response.state.as_ref().map(|state| text(&state.path));
                    response.set("x-answer", format!("{} {path:?}", shown(&answer)));
                    Flow::Continue
                });
            }
            Flow::Continue
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// A plug-in in a VM of its own, with one root.
struct Vm {
    entry: Entry,
    host: Rc<RefCell<TestHost>>,
}

impl Vm {
    fn new() -> Self {
        let vm = Vm { entry: waits::entry(), host: host::install() };
        vm.host.borrow_mut().configuration = "{}";
        (vm.entry.on_context_create)(ROOT, 0);
        assert!((vm.entry.on_configure)(ROOT, 2));
        vm
    }

    fn request(&self, context: u32, path: &'static str, end_of_stream: bool) -> u32 {
        self.host.borrow_mut().headers = [(":path", path)].into();
        (self.entry.on_context_create)(context, ROOT);
        self.entry.on_request_headers.unwrap()(context, 1, end_of_stream)
    }

    fn body(&self, context: u32, buffer: &str, last: bool) -> u32 {
        self.host.borrow_mut().body = buffer.as_bytes().to_vec();
        self.entry.on_request_body.unwrap()(context, buffer.len(), last)
    }

    fn response(&self, context: u32, waits: bool) -> u32 {
        self.host.borrow_mut().headers = if waits { [("x-wait", "")].into() } else { [].into() };
        self.entry.on_response_headers.unwrap()(context, 1, false)
    }

    /// Answers a call, in a context of the host, with status 200.
    fn answer(&self, context: u32, token: u32) {
        let mut map = 1u32.to_le_bytes().to_vec();
        map.extend(7u32.to_le_bytes());
        map.extend(3u32.to_le_bytes());
        map.extend(b":status\x00200\x00");
        self.host.borrow_mut().answer = (map, Vec::new());
        self.entry.on_http_call_response.unwrap()(context, token, 1, 0, 0);
    }

    fn fail(&self, call: &'static str) {
        self.host.borrow_mut().failing.insert(call, Status::INTERNAL_FAILURE);
    }

    fn mend(&self) {
        self.host.borrow_mut().failing.clear();
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.host.borrow_mut().log)
    }

    fn continued(&self) -> Vec<u32> {
        std::mem::take(&mut self.host.borrow_mut().continued)
    }

    fn set(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.host.borrow_mut().set)
    }
}

#[test]
fn a_call_that_is_sent_before_wait_belongs_to_the_stream_that_sent_it() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/usual", true), PAUSE);
    assert_eq!(vm.request(11, "/early", true), PAUSE, "it waits for its call");
    vm.answer(10, 1);
    vm.answer(11, 2);
    assert_eq!(vm.continued(), [0, 0]);
    // A stream that was polled before and is gone does not take it along.
    assert_eq!(vm.request(12, "/usual", true), PAUSE);
    (vm.entry.on_delete)(12);
    assert_eq!(vm.request(13, "/early", true), PAUSE);
    vm.answer(13, 4);
    assert_eq!(vm.continued(), [0]);
    assert!(vm.log().is_empty());
}

#[test]
fn hold_from_work_at_the_end_of_a_stream_continues() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/hold", true), CONTINUE);
    assert_eq!(vm.request(11, "/hold", false), PAUSE, "a body may come and take the head along");
    assert_eq!(vm.body(11, "x", true), CONTINUE);
    assert_eq!(vm.request(12, "/hold-later", true), PAUSE);
    vm.answer(12, 1);
    assert_eq!(vm.continued(), [0]);
    assert_eq!(vm.request(13, "/hold-later", false), PAUSE);
    vm.answer(13, 2);
    assert!(vm.continued().is_empty());
    assert_eq!(vm.body(13, "x", true), CONTINUE);
}

#[test]
fn hold_from_work_at_the_end_of_a_body_continues() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/hold-body", false), CONTINUE);
    assert_eq!(vm.body(10, "wait", false), PAUSE);
    assert_eq!(vm.body(10, "wait", true), CONTINUE);
}

#[test]
fn hold_from_work_before_trailers_continues_with_them() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/hold-later", false), PAUSE);
    assert_eq!(vm.body(10, "ab", false), PAUSE);
    assert_eq!(vm.entry.on_request_trailers.unwrap()(10, 1), PAUSE);
    assert!(vm.log().is_empty());
    vm.answer(10, 1);
    assert_eq!(vm.log(), [r#"saw "ab" of "ab""#, r#"trailers of "/hold-later""#]);
    assert_eq!(vm.continued(), [0]);
}

#[test]
fn after_a_failure_that_fails_open_the_next_chunk_is_complete() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/", false), CONTINUE);
    assert_eq!(vm.body(10, "he", false), PAUSE);
    vm.fail("buffer");
    assert_eq!(vm.body(10, "hello", false), CONTINUE, "it passes, with what was held");
    vm.mend();
    assert_eq!(vm.body(10, "BAD", false), PAUSE);
    assert!(vm.log().iter().any(|line| line.starts_with(r#"saw "BAD""#)), "from its first byte");
}

#[test]
fn the_body_callback_runs_after_work_that_failed() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/fails-later", false), PAUSE);
    assert_eq!(vm.body(10, "BAD", true), PAUSE);
    vm.fail("replace_header");
    vm.answer(10, 1);
    assert!(vm.log().iter().any(|line| line.starts_with(r#"saw "BAD""#)), "as if nothing had waited");
    assert_eq!(vm.continued(), [0]);
}

#[test]
fn the_state_survives_aborted_work_and_work_that_never_started() {
    for path in ["/gives-up", "/drops"] {
        let vm = Vm::new();
        assert_eq!(vm.request(10, path, false), CONTINUE, "{path}: open");
        vm.body(10, "x", true);
        let log = vm.log();
        assert!(log.contains(&r#"saw "x" of "kept x""#.to_owned()), "{path}: {log:?}");
    }
}

#[test]
fn a_response_has_no_state_while_its_request_waits() {
    let vm = Vm::new();
    assert_eq!(vm.request(10, "/body-waits", false), CONTINUE);
    assert_eq!(vm.body(10, "x", false), PAUSE);
    assert_eq!(vm.response(10, false), CONTINUE);
    assert_eq!(vm.log(), [r#"saw "x" of "x""#, "state None"]);
    vm.answer(10, 1);
    assert_eq!(vm.continued(), [0]);
    (vm.entry.on_delete)(10);
    assert_eq!((vm.entry.live.unwrap())(), 0);
}

#[test]
fn both_halves_of_a_stream_can_wait_at_the_same_time() {
    for order in [[1, 2], [2, 1]] {
        let vm = Vm::new();
        vm.request(10, "/body-waits", false);
        assert_eq!(vm.body(10, "x", false), PAUSE);
        assert_eq!(vm.response(10, true), PAUSE);
        vm.answer(10, order[0]);
        assert_eq!(vm.continued(), [order[0] - 1], "the half that was answered");
        vm.answer(10, order[1]);
        assert_eq!(vm.continued(), [order[1] - 1]);
        assert_eq!(vm.set(), [("x-answer".into(), "200 None".into())]);
        vm.log();
        vm.body(10, "y", true);
        assert_eq!(vm.log(), [r#"saw "y" of "xy""#], "the request has its state back");
    }
}

#[test]
fn the_body_of_a_request_waits_for_the_state_that_the_work_of_its_response_owns() {
    let vm = Vm::new();
    vm.request(10, "/streams", false);
    assert_eq!(vm.body(10, "ba", false), CONTINUE);
    assert_eq!(vm.response(10, true), PAUSE);
    assert_eq!(vm.body(10, "d", false), PAUSE);
    assert_eq!(vm.entry.on_request_trailers.unwrap()(10, 1), PAUSE);
    vm.log();
    vm.answer(10, 1);
    assert_eq!(vm.set()[0], ("x-answer".into(), r#"200 Some("/streams")"#.into()));
    assert_eq!(vm.log(), [r#"saw "d" of "bad""#, r#"trailers of "/streams""#]);
    assert_eq!(vm.continued(), [1, 0], "first the response, then the request");
}

#[test]
fn a_call_can_be_awaited_in_a_later_callback() {
    for answered_before in [true, false] {
        let vm = Vm::new();
        assert_eq!(vm.request(10, "/keeps-call", false), CONTINUE);
        if answered_before {
            vm.answer(10, 1);
            assert_eq!(vm.body(10, "x", true), CONTINUE);
        } else {
            assert_eq!(vm.body(10, "x", true), PAUSE);
            vm.answer(10, 1);
            assert_eq!(vm.continued(), [0]);
        }
        assert_eq!(vm.log().last().unwrap(), "answer 200");
    }
}

#[test]
fn a_call_wakes_the_stream_that_awaits_it() {
    let vm = Vm::new();
    vm.request(10, "/hands-on", true);
    assert_eq!(vm.request(11, "/takes", true), PAUSE);
    vm.host.borrow_mut().calls.clear();
    vm.answer(10, 1);
    assert!(vm.host.borrow().calls.contains(&"set_effective_context"), "the host is in the other stream");
    assert_eq!(vm.set(), [("x-answer".into(), "200".into())]);
    assert_eq!(vm.continued(), [0]);

    // The host ends calls with the stream that made them: no call waits for ever.
    vm.request(12, "/hands-on", true);
    assert_eq!(vm.request(13, "/takes", true), PAUSE);
    (vm.entry.on_delete)(12);
    assert_eq!(vm.set(), [("x-answer".into(), "NoAnswer".into())]);
    assert_eq!(vm.continued(), [0]);
}

#[test]
fn no_callback_runs_after_a_reply() {
    let vm = Vm::new();
    vm.request(10, "/dry", false);
    assert_eq!(vm.body(10, "no!", false), CONTINUE);
    assert_eq!(vm.entry.on_request_trailers.unwrap()(10, 1), CONTINUE);
    vm.request(11, "/dry", false);
    assert_eq!(vm.body(11, "no", false), PAUSE);
    vm.host.borrow_mut().body = b"no!".to_vec();
    assert_eq!(vm.body(11, "no!", true), CONTINUE);
    vm.request(12, "/dry-head", false);
    assert_eq!(vm.body(12, "x", false), CONTINUE);
    assert_eq!(vm.entry.on_request_trailers.unwrap()(12, 1), CONTINUE);
    let log = vm.log();
    assert!(!log.iter().any(|line| line.starts_with("trailers")), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with(r#"saw "x""#)), "{log:?}");
}

#[test]
fn failures_in_trailers_follow_on_failure() {
    let vm = Vm::new();
    vm.request(10, "/", false);
    assert_eq!(vm.body(10, "x", false), PAUSE);
    vm.fail("replace_header");
    assert_eq!(vm.entry.on_request_trailers.unwrap()(10, 1), CONTINUE, "open");
}

/// Holds bodies, and fails closed.
mod closed {
    use std::time::Duration;

    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {
        tag: String,
    }

    struct Closed;

    /// Attributes and documentation may stand before an `impl` and in it.
    #[plugin]
    #[allow(clippy::needless_pass_by_ref_mut, reason = "as the trait asks")]
    #[cfg(not(target_os = "none"))]
    impl Plugin for Closed {
        /// Its name.
        const NAME: &'static str = "closed";
        /// Its configuration.
        type Config = Config;

        /// Tags requests.
        #[inline]
        fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
            request.set("x-tag", &config.tag);
            Flow::Continue
        }

        fn tick_period(_: &Config) -> Duration {
            Duration::from_millis(20)
        }

        /// Ticks.
        fn on_tick(_: &[std::rc::Rc<Config>]) {
            info!("tick");
        }
    }
}

#[test]
fn a_tick_period_that_the_gateway_rejects_keeps_the_old_configuration() {
    let entry = closed::entry();
    let host = host::install();
    let configure = |text: &'static str| {
        host.borrow_mut().configuration = text;
        (entry.on_configure)(ROOT, text.len())
    };
    (entry.on_context_create)(ROOT, 0);
    assert!(configure(r#"{"tag": "old"}"#));
    host.borrow_mut().failing.insert("set_tick_period", Status::INTERNAL_FAILURE);
    assert!(!configure(r#"{"tag": "new"}"#));
    assert!(host.borrow().log[0].starts_with("closed: configuration refused: "), "{:?}", host.borrow().log);
    (entry.on_context_create)(2, ROOT);
    assert_eq!(entry.on_request_headers.unwrap()(2, 1, true), CONTINUE);
    assert_eq!(host.borrow().set, [("x-tag".to_owned(), "old".to_owned())]);
}

thread_local! {
    static REENTERED: Cell<Option<u32>> = const { Cell::new(None) };
}

#[test]
fn entering_a_running_vm_follows_on_failure() {
    fn enter(context: u32, entry: Entry) {
        REENTERED.set(Some(entry.on_request_headers.unwrap()(context, 1, true)));
    }
    for (entry, configuration, action) in
        [(closed::entry(), r#"{"tag": "t"}"#, PAUSE), (waits::entry(), "{}", CONTINUE)]
    {
        let host = host::install();
        host.borrow_mut().configuration = configuration;
        (entry.on_context_create)(ROOT, 0);
        assert!((entry.on_configure)(ROOT, configuration.len()));
        (entry.on_context_create)(2, ROOT);
        host.borrow_mut().entered_by_headers = Some(Box::new(move || enter(2, entry)));
        entry.on_request_headers.unwrap()(2, 1, true);
        assert_eq!(REENTERED.take(), Some(action));
    }
}

#[test]
fn a_thread_that_ends_with_waiting_streams_does_not_abort_the_process() {
    for host_first in [true, false] {
        std::thread::spawn(move || {
            if !host_first {
                // What is used first is dropped first or last, as the platform likes.
                (waits::entry().on_context_create)(ROOT, 0);
            }
            let vm = Vm::new();
            vm.request(10, "/usual", true);
            vm.request(11, "/keeps-call", false);
            vm.request(12, "/body-waits", false);
            vm.body(12, "x", false);
            vm.request(13, "/hands-on", true);
        })
        .join()
        .unwrap();
    }
}
