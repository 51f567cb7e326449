//! What the rules of a configuration ask of the host, and in which phase.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::rc::Rc;

use host::TestHost;
use sdk::Status;

/// Says in both directions which configuration it has.
mod tag {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Fields {
        tag: String,
        suffix: String,
    }

    pub struct Config(String);

    impl Configuration for Config {
        type Fields = Fields;
        const RULES: RuleFields = RuleFields::Inherit;

        fn check(fields: Fields) -> Result<Self, FieldError> {
            Ok(Config(fields.tag + &fields.suffix))
        }
    }

    struct Tag;

    #[plugin]
    impl Plugin for Tag {
        const NAME: &'static str = "tag";
        type Config = Config;

        fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
            request.set("x-tag", &config.0);
            Flow::Continue
        }

        fn on_response_headers(response: &mut ResponseHeaders, config: &Config) -> Flow {
            response.set("x-tag", &config.0);
            Flow::Continue
        }
    }
}

/// A VM with this configuration.
fn vm(configuration: &'static str) -> Rc<RefCell<TestHost>> {
    let host = host::install();
    host.borrow_mut().configuration = configuration;
    let entry = tag::entry();
    (entry.on_context_create)(1, 0);
    assert!((entry.on_configure)(1, configuration.len()), "{:?}", host.borrow().log);
    host
}

/// What a request is tagged with.
fn request(host: &RefCell<TestHost>, headers: &[(&'static str, &'static str)]) -> Option<String> {
    host.borrow_mut().headers = headers.iter().copied().collect();
    (tag::entry().on_context_create)(2, 1);
    tag::entry().on_request_headers.unwrap()(2, 1, true);
    tagged(host)
}

/// What the response to a request is tagged with that the plug-in has never seen.
fn response(host: &RefCell<TestHost>, properties: &[(&'static str, &'static str)]) -> Option<String> {
    host.borrow_mut().properties = properties.iter().copied().collect();
    (tag::entry().on_context_create)(2, 1);
    tag::entry().on_response_headers.unwrap()(2, 1, true);
    tagged(host)
}

fn tagged(host: &RefCell<TestHost>) -> Option<String> {
    (tag::entry().on_delete)(2);
    host.borrow_mut().set.pop().map(|(_, tag)| tag)
}

const CONSUMERS: &str = r#"{"_rules_": [
    {"_match_consumer_": ["alice", "bob"], "_match_domain_": ["a.com"], "tag": "first", "suffix": ""},
    {"_match_consumer_": ["alice"], "tag": "second", "suffix": ""}]}"#;

#[test]
fn the_consumer_is_read_from_the_header() {
    let host = vm(CONSUMERS);
    for (consumer, authority, tag) in [
        (Some("alice"), "a.com", Some("first")),
        (Some("alice"), "b.com", Some("second")),
        (Some("bob"), "A.com:80", Some("first")),
        (Some("bob"), "b.com", None),
        (Some("Alice"), "a.com", None),
        (Some(""), "a.com", None),
        (None, "a.com", None),
    ] {
        let header = consumer.map(|consumer| ("x-mse-consumer", consumer));
        let headers: Vec<_> = [(":authority", authority)].into_iter().chain(header).collect();
        assert_eq!(request(&host, &headers).as_deref(), tag, "{consumer:?} {authority}");

        let header = consumer.map(|consumer| ("request.headers.x-mse-consumer", consumer));
        let properties: Vec<_> = [("request.host", authority)].into_iter().chain(header).collect();
        assert_eq!(response(&host, &properties).as_deref(), tag, "{consumer:?} {authority}");
    }
}

#[test]
fn the_consumer_is_read_once_and_only_if_a_rule_needs_it() {
    let calls = |configuration| {
        let host = vm(configuration);
        host.borrow_mut().calls.clear();
        request(&host, &[]);
        host.borrow().calls.iter().filter(|call| **call == "header").count()
    };
    assert_eq!(calls(r#"{"tag": "t", "suffix": ""}"#), 0);
    assert_eq!(
        calls(
            r#"{"_rules_": [{"_match_consumer_": ["a"], "tag": "t", "suffix": ""},
                            {"_match_consumer_": ["b"], "tag": "t", "suffix": ""}]}"#
        ),
        1
    );
}

#[test]
fn no_consumer_rule_is_skipped_after_a_host_failure() {
    let host = vm(CONSUMERS);
    host.borrow_mut().failing = [("header", Status::INTERNAL_FAILURE)].into();
    assert_eq!(request(&host, &[]), None);
    assert_eq!(host.borrow().replies, [(503, "tag.host_failure".to_string())]);
}

#[test]
fn rules_start_from_the_global_fields_if_declared() {
    let host =
        vm(r#"{"_rules_": [{"_match_domain_": ["a.com"], "tag": "rule"}], "suffix": "!", "tag": "all"}"#);
    assert_eq!(request(&host, &[(":authority", "a.com")]).as_deref(), Some("rule!"));
    assert_eq!(request(&host, &[(":authority", "b.com")]).as_deref(), Some("all!"));
}
