//! If the host cannot count, the request is answered with 503, as `failStrategy` specifies, and no loop is endless.

#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::rc::Rc;

use sdk::Status;

use host::TestHost;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
const CONFIGURATION: &[u8] = br#"{"global_threshold": {"query_per_day": 1}}"#;

/// Sends one request. Returns the result of the callback and the host.
fn request(host: TestHost) -> (u32, TestHost) {
    let host = Rc::new(RefCell::new(TestHost { configuration: CONFIGURATION.into(), ..host }));
    sdk::native::install(host.clone());
    let entry = key_rate_limit::entry();
    (entry.on_context_create)(1, 0);
    assert!((entry.on_configure)(1, CONFIGURATION.len()));
    (entry.on_context_create)(2, 1);
    let action = entry.on_request_headers.unwrap()(2, 0, true);
    (action, host.take())
}

/// Sends a request to a host on which a call fails. Returns the number of attempts to count.
fn refused(host: TestHost) -> u32 {
    let (action, host) = request(host);
    assert_eq!(action, PAUSE);
    assert_eq!(host.replies, [(503, "key-rate-limit.host_failure".to_string())]);
    host.sets
}

#[test]
fn a_request_that_cannot_be_counted_is_answered_with_503() {
    let status = Some(Status::INTERNAL_FAILURE);
    assert_eq!(refused(TestHost { get: status, ..TestHost::default() }), 0);
    assert_eq!(refused(TestHost { time: status, ..TestHost::default() }), 0);
    assert_eq!(refused(TestHost { set: status, ..TestHost::default() }), 1);
}

#[test]
fn endless_contention_fails() {
    let set = Some(Status::CAS_MISMATCH);
    let tries = refused(TestHost { set, ..TestHost::default() });
    assert!((64..=10_000).contains(&tries), "{tries}");
}

#[test]
fn an_invalid_count_is_reset() {
    let value = Some(b"not a count".to_vec());
    let (action, host) = request(TestHost { value, ..TestHost::default() });
    assert_eq!((action, host.sets), (CONTINUE, 1));
}
