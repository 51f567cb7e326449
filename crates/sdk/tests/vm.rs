//! One VM: contexts, configurations that come and go, bodies, and a host that fails.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::rc::Rc;

use host::TestHost;
use sdk::Status;
use sdk::native::Entry;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// Tags requests with its configuration, and responses with what it kept of the request.
mod tag {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {
        tag: String,
    }

    struct Tag;

    #[plugin]
    impl Plugin for Tag {
        const NAME: &'static str = "tag";
        type Config = Config;
        type State = Option<Vec<u8>>;

        fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
            *request.state = request.get("x-keep");
            request.set("x-tag", &config.tag);
            Flow::Continue
        }

        fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Config) -> Flow {
            let kept = match &response.state {
                Some(Some(kept)) => String::from_utf8_lossy(kept).into_owned(),
                Some(None) => "nothing".into(),
                None => "never seen".into(),
            };
            response.set("x-kept", format!("{} {kept}", config.tag));
            Flow::Continue
        }
    }
}

/// Holds bodies, writes down what it is shown, and answers when the last byte is `!`.
mod bodies {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {
        #[serde(default)]
        hold: bool,
    }

    struct Bodies;

    #[plugin]
    impl Plugin for Bodies {
        const NAME: &'static str = "bodies";
        const ON_FAILURE: Failure = Failure::Open;
        type Config = Config;
        type State = Vec<u8>;

        fn on_request_body(body: &mut RequestBody<Vec<u8>>, config: &Config) -> Flow {
            let chunk = body.chunk();
            body.state.extend(&chunk);
            if config.hold {
                assert_eq!(body.all(), *body.state);
            }
            info!("{} {}", String::from_utf8_lossy(&chunk), body.is_last());
            if body.is_last() && body.state.ends_with(b"!") {
                return Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("bodies.shouted"));
            }
            if config.hold { Flow::Hold } else { Flow::Continue }
        }
    }
}

/// A plug-in in a VM of its own, with one root.
struct Vm {
    entry: Entry,
    host: Rc<RefCell<TestHost>>,
}

const ROOT: u32 = 1;

impl Vm {
    fn new(entry: Entry, configuration: &'static str) -> Self {
        let vm = Vm { entry, host: host::install() };
        assert!(vm.configure(ROOT, configuration));
        vm
    }

    fn configure(&self, root: u32, configuration: &'static str) -> bool {
        self.host.borrow_mut().configuration = configuration;
        (self.entry.on_context_create)(root, 0);
        (self.entry.on_configure)(root, configuration.len())
    }

    fn request(&self, context: u32, root: u32) -> u32 {
        (self.entry.on_context_create)(context, root);
        self.entry.on_request_headers.unwrap()(context, 4, true)
    }

    /// What a call of the plug-in set, as `name: value`.
    fn set(&self) -> Vec<String> {
        let set = std::mem::take(&mut self.host.borrow_mut().set);
        set.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    /// A piece of a body arrives in a buffer that holds `buffer`.
    fn body(&self, context: u32, buffer: &str, last: bool) -> u32 {
        self.host.borrow_mut().body = buffer.as_bytes().to_vec();
        self.entry.on_request_body.unwrap()(context, buffer.len(), last)
    }
}

#[test]
fn a_rejected_configuration_keeps_the_old_one() {
    let vm = Vm::new(tag::entry(), r#"{"tag": "old"}"#);
    for bad in [r#"{"tog": "new"}"#, r#"{"tag": "new", "_rules_": [{}]}"#, "{", "[]"] {
        assert!(!vm.configure(ROOT, bad), "{bad}");
    }
    assert!(vm.host.borrow().log[0].starts_with("tag: configuration refused: tog: is not a known field"));
    vm.request(2, ROOT);
    assert_eq!(vm.set(), ["x-tag: old"]);
}

#[test]
fn a_stream_keeps_its_configuration() {
    let vm = Vm::new(tag::entry(), r#"{"tag": "old"}"#);
    vm.host.borrow_mut().headers = [("x-keep", "me")].into();
    vm.request(2, ROOT);
    assert!(vm.configure(ROOT, r#"{"tag": "new"}"#));
    vm.entry.on_response_headers.unwrap()(2, 1, true);
    vm.request(3, ROOT);
    assert_eq!(vm.set(), ["x-tag: old", "x-kept: old me", "x-tag: new"]);
}

#[test]
fn roots_of_one_vm_have_their_own_configurations() {
    let vm = Vm::new(tag::entry(), r#"{"tag": "one"}"#);
    assert!(vm.configure(7, r#"{"tag": "seven"}"#));
    vm.request(8, 7);
    vm.request(9, ROOT);
    (vm.entry.on_delete)(7);
    vm.request(10, ROOT);
    assert_eq!(vm.set(), ["x-tag: seven", "x-tag: one", "x-tag: one"]);
    vm.entry.on_response_headers.unwrap()(8, 1, true);
    assert_eq!(vm.set(), ["x-kept: seven nothing"], "a stream outlives its root");
}

#[test]
fn a_response_to_an_unseen_request_has_no_state_but_its_rule() {
    let rules = r#"{"tag": "all", "_rules_": [{"_match_domain_": ["a.com"], "tag": "a"}]}"#;
    let vm = Vm::new(tag::entry(), rules);
    vm.host.borrow_mut().properties = [("request.host", "A.com:80")].into();
    (vm.entry.on_context_create)(2, ROOT);
    vm.entry.on_response_headers.unwrap()(2, 1, true);
    assert_eq!(vm.set(), ["x-kept: a never seen"]);
}

#[test]
fn without_a_matching_rule_nothing_happens() {
    let vm = Vm::new(tag::entry(), r#"{"_rules_": [{"_match_domain_": ["a.com"], "tag": "a"}]}"#);
    vm.host.borrow_mut().headers = [(":authority", "b.com")].into();
    vm.host.borrow_mut().calls.clear();
    assert_eq!(vm.request(2, ROOT), CONTINUE);
    assert_eq!(vm.entry.on_response_headers.unwrap()(2, 1, true), CONTINUE);
    assert_eq!(vm.host.borrow().calls, ["header"], "the host, once");
}

#[test]
fn a_global_configuration_is_selected_without_a_host_call() {
    let vm = Vm::new(bodies::entry(), "");
    vm.host.borrow_mut().calls.clear();
    vm.host.borrow_mut().level = 3;
    (vm.entry.on_context_create)(2, ROOT);
    assert_eq!(vm.body(2, "", false), CONTINUE);
    assert_eq!(vm.host.borrow().calls, ["log"], "the plug-in's own line, at the level read before");
}

#[test]
fn selections_and_decisions_are_recorded_only_at_level_trace() {
    const RULES: &str = r#"{"_rules_": [{"_match_domain_": ["a.com"], "tag": "a"}]}"#;
    let vm = Vm::new(tag::entry(), RULES);
    vm.host.borrow_mut().headers = [(":authority", "a.com")].into();
    vm.host.borrow_mut().properties = [("plugin_name", "p")].into();
    vm.request(2, ROOT);
    assert_eq!(vm.host.borrow().told, [], "nothing is traced");
    vm.host.borrow_mut().level = 0;
    assert!(vm.configure(5, RULES));
    vm.request(3, 5);
    vm.host.borrow_mut().headers = [(":authority", "b.com")].into();
    vm.request(4, 5);
    let told = |value: &str| ("portcullis.trace".to_owned(), value.to_owned());
    assert_eq!(vm.host.borrow().told, [told("p\n_rules_[0]\n"), told("p\nnone\n")]);

    let vm = Vm::new(bodies::entry(), "");
    vm.host.borrow_mut().level = 0;
    assert!(vm.configure(5, ""));
    (vm.entry.on_context_create)(2, 5);
    vm.body(2, "stop!", true);
    let told = vm.host.borrow().told.clone();
    assert_eq!(told[0].1, "\nglobal\n");
    assert_eq!(told[1].1, "\nglobal\nanswers 403 (bodies.shouted) by the global configuration");
}

#[test]
fn route_names_are_read_with_the_name_that_the_gateway_knows() {
    let rules = r#"{"_rules_": [{"_match_route_": ["r"], "tag": "r"}]}"#;
    for (name, first, later) in [("xds.route_name", 1, 1), ("route_name", 2, 1), ("other", 2, 2)] {
        std::thread::spawn(move || {
            let vm = Vm::new(tag::entry(), rules);
            vm.host.borrow_mut().properties = [(name, "r")].into();
            for (context, asked) in [(2, first), (3, later)] {
                vm.host.borrow_mut().calls.clear();
                vm.request(context, ROOT);
                let calls = vm.host.borrow().calls.iter().filter(|call| **call == "property").count();
                assert_eq!(calls, asked, "{name} {context}");
            }
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_held_body_can_be_read_in_chunks_and_as_a_whole() {
    let vm = Vm::new(bodies::entry(), r#"{"hold": true}"#);
    (vm.entry.on_context_create)(2, ROOT);
    assert_eq!(vm.body(2, "ab", false), PAUSE);
    assert_eq!(vm.body(2, "abc", false), PAUSE);
    assert_eq!(vm.body(2, "abc", false), PAUSE, "nothing new");
    assert_eq!(vm.body(2, "abcd", true), CONTINUE, "nothing may wait after the last");
    assert_eq!(vm.host.borrow().log, ["ab false", "c false", " false", "d true"]);
}

#[test]
fn a_streamed_body_is_read_chunk_by_chunk() {
    let vm = Vm::new(bodies::entry(), "");
    (vm.entry.on_context_create)(2, ROOT);
    for (piece, last) in [("ab", false), ("c", false), ("", true)] {
        assert_eq!(vm.body(2, piece, last), CONTINUE);
    }
    assert_eq!(vm.host.borrow().log, ["ab false", "c false", " true"]);
}

#[test]
fn trailers_end_a_body_and_callbacks_can_still_reply() {
    for (configuration, defined) in [(r#"{"hold": true}"#, 1), ("", 0)] {
        let vm = Vm::new(bodies::entry(), configuration);
        (vm.entry.on_context_create)(2, ROOT);
        vm.body(2, "stop!", false);
        assert_eq!(vm.entry.on_request_trailers.unwrap()(2, 1), PAUSE);
        assert_eq!(vm.host.borrow().replies, [(403, "bodies.shouted".to_string())]);
        assert_eq!(vm.host.borrow().counters.len(), defined, "a VM defines a counter once");
        assert_eq!(vm.entry.on_request_trailers.unwrap()(2, 1), CONTINUE, "decided once");
        assert_eq!(vm.host.borrow().replies.len(), 1);
    }
}

#[test]
fn failed_host_calls_follow_on_failure() {
    for status in [2, 4, 10, 12, 77].map(Status) {
        let vm = Vm::new(tag::entry(), r#"{"tag": "t"}"#);
        vm.host.borrow_mut().failing = [("replace_header", status)].into();
        assert_eq!(vm.request(2, ROOT), PAUSE, "{status:?}");
        assert_eq!(vm.host.borrow().replies, [(503, "tag.host_failure".to_string())]);

        let vm = Vm::new(bodies::entry(), "");
        vm.host.borrow_mut().failing = [("buffer", status)].into();
        (vm.entry.on_context_create)(2, ROOT);
        assert_eq!(vm.body(2, "x!", true), CONTINUE, "{status:?}");
        assert!(vm.host.borrow().replies.is_empty());
    }
}

#[test]
fn no_rule_is_skipped_after_a_host_failure() {
    let vm = Vm::new(tag::entry(), r#"{"tag": "t", "_rules_": [{"_match_domain_": ["a.com"], "tag": "a"}]}"#);
    vm.host.borrow_mut().failing = [("header", Status::INTERNAL_FAILURE)].into();
    assert_eq!(vm.request(2, ROOT), PAUSE);
    assert!(vm.set().is_empty());
}

#[test]
fn unexpected_orders_of_callbacks_do_not_panic() {
    let vm = Vm::new(tag::entry(), r#"{"tag": "t"}"#);
    (vm.entry.on_delete)(99);
    assert_eq!(vm.entry.on_response_headers.unwrap()(98, 0, true), PAUSE, "a stream that was not created");
    vm.request(2, ROOT);
    (vm.entry.on_context_create)(2, ROOT);
    (vm.entry.on_delete)(2);
    (vm.entry.on_delete)(2);
    assert!(!(vm.entry.on_configure)(5, 1_000_000), "fewer bytes than announced are no configuration");
}
