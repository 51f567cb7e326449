//! A host that cannot count: the request is answered 503, as `failStrategy` says, and nothing loops for ever.

#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

use std::cell::RefCell;
use std::rc::Rc;

use sdk::Status;
use sdk::native::{Answer, Host};

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
const CONFIGURATION: &[u8] = br#"{"global_threshold": {"query_per_day": 1}}"#;

/// Answers what a request needs. A call that is set here fails with that status.
#[derive(Default)]
struct FailingHost {
    get: Option<Status>,
    set: Option<Status>,
    time: Option<Status>,
    /// What every key holds.
    value: Option<Vec<u8>>,
    /// How often a key was set.
    sets: usize,
    replies: Vec<(u32, String)>,
}

fn answer<T>(failure: Option<Status>, value: T) -> Answer<T> {
    failure.map_or(Ok(value), Err)
}

impl Host for FailingHost {
    fn shared_data(&mut self, _: &[u8]) -> Answer<(Vec<u8>, u32)> {
        let value = self.value.clone().ok_or(Status::NOT_FOUND);
        answer(self.get, ()).and(value.map(|value| (value, 1)))
    }

    fn set_shared_data(&mut self, key: &[u8], _: &[u8], _: u32) -> Answer<()> {
        // The seed is there once, and only counting fails.
        if key.ends_with(b".seed") {
            return Ok(());
        }
        self.sets += 1;
        answer(self.set, ())
    }

    fn time(&mut self) -> Answer<u64> {
        answer(self.time, 1_767_225_600_000_000_000)
    }

    fn buffer(&mut self, _: u32, _: usize, _: usize) -> Answer<Vec<u8>> {
        Ok(CONFIGURATION.into())
    }

    fn send_local_response(&mut self, status: u32, details: &[u8], _: &[u8], _: &[u8], _: i32) -> Answer<()> {
        self.replies.push((status, String::from_utf8_lossy(details).into_owned()));
        Ok(())
    }

    fn log(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        Ok(())
    }

    fn log_level(&mut self) -> Answer<u32> {
        Ok(2)
    }

    fn define_metric(&mut self, _: u32, _: &[u8]) -> Answer<u32> {
        Ok(1)
    }

    fn increment_metric(&mut self, _: u32, _: i64) -> Answer<()> {
        Ok(())
    }

    fn set_effective_context(&mut self, _: u32) -> Answer<()> {
        Ok(())
    }

    // One limit for all requests looks at none of these.

    fn set_buffer(&mut self, _: u32, _: usize, _: usize, _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn header_pairs(&mut self, _: u32) -> Answer<Vec<u8>> {
        Err(Status::UNIMPLEMENTED)
    }

    fn set_header_pairs(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn header(&mut self, _: u32, _: &[u8]) -> Answer<Vec<u8>> {
        Err(Status::UNIMPLEMENTED)
    }

    fn add_header(&mut self, _: u32, _: &[u8], _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn replace_header(&mut self, _: u32, _: &[u8], _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn remove_header(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn property(&mut self, _: &[u8]) -> Answer<Vec<u8>> {
        Err(Status::UNIMPLEMENTED)
    }

    fn unknown(&mut self, _: &'static str) -> Status {
        Status::UNIMPLEMENTED
    }
}

/// Sends one request through; what the callback returns, and the host afterwards.
fn request(host: FailingHost) -> (u32, FailingHost) {
    let host = Rc::new(RefCell::new(host));
    sdk::native::install(host.clone());
    let entry = key_rate_limit::entry();
    (entry.on_context_create)(1, 0);
    assert!((entry.on_configure)(1, CONFIGURATION.len()));
    (entry.on_context_create)(2, 1);
    let action = entry.on_request_headers.unwrap()(2, 0, true);
    (action, host.take())
}

/// A host of which one call fails; how often the request tried to count.
fn refused(host: FailingHost) -> usize {
    let (action, host) = request(host);
    assert_eq!(action, PAUSE);
    assert_eq!(host.replies, [(503, "key-rate-limit.host_failure".to_string())]);
    host.sets
}

#[test]
fn a_request_that_cannot_be_counted_is_answered_503() {
    let status = Some(Status::INTERNAL_FAILURE);
    assert_eq!(refused(FailingHost { get: status, ..FailingHost::default() }), 0);
    assert_eq!(refused(FailingHost { time: status, ..FailingHost::default() }), 0);
    assert_eq!(refused(FailingHost { set: status, ..FailingHost::default() }), 1);
}

#[test]
fn who_never_gets_a_turn_gives_up() {
    let set = Some(Status::CAS_MISMATCH);
    let tries = refused(FailingHost { set, ..FailingHost::default() });
    assert!((64..=10_000).contains(&tries), "{tries}");
}

#[test]
fn what_is_no_count_is_begun_anew() {
    let value = Some(b"not a count".to_vec());
    let (action, host) = request(FailingHost { value, ..FailingHost::default() });
    assert_eq!((action, host.sets), (CONTINUE, 1));
}
