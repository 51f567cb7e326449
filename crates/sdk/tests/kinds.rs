//! Streams that stay open: they are told from ordinary messages, not held, and cost a host call at most.

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

/// Holds what it is shown, the heads too if so configured.
mod holds {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {
        #[serde(default)]
        heads: bool,
        #[serde(default)]
        streams: bool,
        #[serde(default)]
        reads_all: bool,
    }

    struct Holds;

    #[plugin]
    impl Plugin for Holds {
        const NAME: &'static str = "holds";
        type Config = Config;

        fn holds_request_body(config: &Config) -> bool {
            !config.streams
        }

        fn holds_response_body(config: &Config) -> bool {
            !config.streams
        }

        fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
            if config.reads_all {
                info!("{} headers, {:?}", request.all().iter().count(), request.kind());
            }
            if config.heads { Flow::Hold } else { Flow::Continue }
        }

        fn on_request_body(body: &mut RequestBody, config: &Config) -> Flow {
            info!("{:?} {}", body.kind(), String::from_utf8_lossy(&body.chunk()));
            if config.streams { Flow::Continue } else { Flow::Hold }
        }

        fn on_response_body(body: &mut ResponseBody, _: &Config) -> Flow {
            info!("{:?} {}", body.kind(), String::from_utf8_lossy(&body.chunk()));
            Flow::Hold
        }
    }
}

/// Looks at responses only.
mod responses {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {}

    struct Responses;

    #[plugin]
    impl Plugin for Responses {
        const NAME: &'static str = "responses";
        type Config = Config;

        fn on_response_body(body: &mut ResponseBody, _: &Config) -> Flow {
            info!("{:?}", body.kind());
            Flow::Hold
        }
    }
}

struct Vm {
    entry: Entry,
    host: Rc<RefCell<TestHost>>,
}

type Pairs = &'static [(&'static str, &'static str)];

const PLAIN: Pairs = &[(":method", "POST"), ("content-type", "application/json")];
const GRPC: Pairs = &[(":method", "POST"), ("content-type", "application/grpc+proto")];
const UPGRADE: Pairs = &[(":method", "GET"), ("connection", "Upgrade"), ("upgrade", "websocket")];
const CONNECT: Pairs = &[(":method", "CONNECT")];

impl Vm {
    fn new(entry: Entry, configuration: &'static str) -> Self {
        let vm = Vm { entry, host: host::install() };
        vm.host.borrow_mut().configuration = configuration;
        (vm.entry.on_context_create)(ROOT, 0);
        assert!((vm.entry.on_configure)(ROOT, configuration.len()));
        (vm.entry.on_context_create)(2, ROOT);
        vm.host.borrow_mut().calls.clear();
        vm
    }

    fn request(&self, pairs: Pairs) -> u32 {
        self.host.borrow_mut().pairs = pairs.to_vec();
        self.entry.on_request_headers.unwrap()(2, pairs.len(), false)
    }

    fn response(&self, pairs: Pairs) -> u32 {
        self.host.borrow_mut().pairs = pairs.to_vec();
        self.entry.on_response_headers.unwrap()(2, pairs.len(), false)
    }

    fn request_body(&self, buffer: &str, last: bool) -> u32 {
        self.host.borrow_mut().body = buffer.as_bytes().to_vec();
        self.entry.on_request_body.unwrap()(2, buffer.len(), last)
    }

    fn response_body(&self, buffer: &str, last: bool) -> u32 {
        self.host.borrow_mut().body = buffer.as_bytes().to_vec();
        self.entry.on_response_body.unwrap()(2, buffer.len(), last)
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.host.borrow_mut().log)
    }

    /// Host calls since the last look, without those of the log.
    fn calls(&self) -> Vec<&'static str> {
        let calls = std::mem::take(&mut self.host.borrow_mut().calls);
        calls.into_iter().filter(|call| *call != "log").collect()
    }
}

#[test]
fn an_ordinary_message_is_held_with_one_more_host_call() {
    let vm = Vm::new(holds::entry(), "{}");
    assert_eq!(vm.request(PLAIN), CONTINUE);
    assert_eq!(vm.calls(), ["header_pairs"]);
    assert_eq!(vm.request_body("ab", false), PAUSE);
    assert_eq!(vm.request_body("abc", true), CONTINUE);
    assert_eq!(vm.calls(), ["buffer", "buffer"]);
    assert_eq!(vm.log(), ["Message ab", "Message c"]);
}

#[test]
fn open_ended_streams_continue_with_one_warning_and_every_byte_is_read_once() {
    for (pairs, kind) in [(GRPC, "Grpc"), (UPGRADE, "Upgrade"), (CONNECT, "Connect")] {
        let vm = Vm::new(holds::entry(), "{}");
        assert_eq!(vm.request(pairs), CONTINUE);
        for piece in ["ab", "c"] {
            assert_eq!(vm.request_body(piece, false), CONTINUE, "{kind}");
        }
        let log = vm.log();
        assert_eq!(log.len(), 3, "{log:?}");
        assert_eq!((log[0].as_str(), log[2].as_str()), (&*format!("{kind} ab"), &*format!("{kind} c")));
        assert!(log[1].starts_with("holds: ") && log[1].contains("cannot be held"), "{log:?}");
    }
}

#[test]
fn headers_of_open_ended_streams_are_not_held() {
    for (pairs, action) in [(PLAIN, PAUSE), (GRPC, CONTINUE), (UPGRADE, CONTINUE), (CONNECT, CONTINUE)] {
        let vm = Vm::new(holds::entry(), r#"{"heads": true}"#);
        assert_eq!(vm.request(pairs), action, "{pairs:?}");
        assert_eq!(vm.calls(), ["header_pairs"]);
    }
}

#[test]
fn responses_have_their_own_kind() {
    for (request, response, kind, action) in [
        (PLAIN, &[(":status", "200")][..], "Message", PAUSE),
        (UPGRADE, &[(":status", "101")], "Upgrade", CONTINUE),
        (UPGRADE, &[(":status", "200")], "Message", PAUSE),
        (CONNECT, &[(":status", "200")], "Connect", CONTINUE),
        (CONNECT, &[(":status", "403")], "Message", PAUSE),
        (GRPC, &[(":status", "200"), ("content-type", "application/grpc")], "Grpc", CONTINUE),
        (GRPC, &[(":status", "200"), ("content-type", "text/html")], "Message", PAUSE),
    ] {
        for entry in [holds::entry(), responses::entry()] {
            let vm = Vm::new(entry, "{}");
            vm.request(request);
            assert_eq!(vm.response(response), CONTINUE);
            assert_eq!(vm.response_body("x", false), action, "{request:?} {response:?}");
            assert!(vm.log()[0].starts_with(kind), "{request:?} {response:?}");
        }
    }
}

#[test]
fn a_response_to_an_unseen_request_has_its_own_kind() {
    let vm = Vm::new(holds::entry(), "{}");
    vm.response(&[(":status", "200")]);
    assert_eq!(vm.response_body("x", false), PAUSE);
    let vm = Vm::new(holds::entry(), "{}");
    vm.response(&[(":status", "101")]);
    assert_eq!(vm.response_body("x", false), CONTINUE);
}

#[test]
fn the_kind_costs_no_host_call_if_it_is_not_needed() {
    let vm = Vm::new(holds::entry(), r#"{"reads_all": true}"#);
    vm.request(GRPC);
    assert_eq!(vm.calls(), ["header_pairs"], "one read for the kind and for the plug-in");
    assert_eq!(vm.log(), ["2 headers, Grpc"]);

    let vm = Vm::new(holds::entry(), "{}");
    assert_eq!(vm.entry.on_request_headers.unwrap()(2, 1, true), CONTINUE);
    assert_eq!(vm.entry.on_response_headers.unwrap()(2, 1, true), CONTINUE);
    assert!(vm.calls().is_empty(), "there is no body");

    let vm = Vm::new(holds::entry(), r#"{"streams": true}"#);
    vm.request(GRPC);
    assert_eq!(vm.request_body("x", false), CONTINUE);
    assert_eq!(vm.calls(), ["buffer"], "nothing is held");
    assert_eq!(vm.log(), ["Message x"]);
}

#[test]
fn a_plugin_that_declares_no_held_bodies_holds_none() {
    for request in [PLAIN, GRPC] {
        let vm = Vm::new(holds::entry(), r#"{"streams": true}"#);
        vm.request(request);
        vm.response(&[(":status", "200")]);
        assert!(vm.calls().is_empty(), "the headers are not read");
        assert_eq!(vm.response_body("ab", false), CONTINUE);
        assert_eq!(vm.response_body("c", false), CONTINUE);
        let log = vm.log();
        assert_eq!((log.len(), log[0].as_str(), log[2].as_str()), (3, "Message ab", "Message c"), "{log:?}");
        assert!(log[1].contains("holds_…_body returns false"), "{log:?}");
    }
}

#[test]
fn headers_that_cannot_be_read_follow_on_failure() {
    let vm = Vm::new(holds::entry(), "{}");
    vm.host.borrow_mut().failing = [("header_pairs", Status::INTERNAL_FAILURE)].into();
    assert_eq!(vm.request(PLAIN), PAUSE);
    assert_eq!(vm.host.borrow().replies, [(503, "holds.host_failure".to_string())]);
}
