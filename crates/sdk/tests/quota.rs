//! Quotas: what the store of the process counts.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::time::Duration;

use sdk::Status;
use sdk::quota::{Budget, Limit, Period, Process, Verdict};

const STORE: Process = Process::new("test");

fn key<'l>(limit: &'l Limit, key: &str) -> Budget<'l> {
    Budget { limit, key: Some(key.into()) }
}

fn limit(amount: u32, identity: &str) -> Limit {
    Limit::new(amount, Period::Minute, identity, "limits[0]")
}

/// Returns what is left, or `None` if it is refused.
fn take(budgets: &[Budget<'_>], amount: u32) -> Option<u32> {
    match STORE.take(budgets, amount).unwrap().unwrap().1 {
        Verdict::Granted { left } => left,
        Verdict::Refused { .. } => None,
    }
}

#[test]
fn an_amount_is_taken_charged_and_given_back() {
    let host = host::install();
    host.borrow_mut().clock = 1_000_000_000_000;
    let limit = limit(10, "operations");
    let budget = || key(&limit, "a");
    assert_eq!(STORE.peek(&budget()), Ok(10));
    assert_eq!(take(&[budget()], 7), Some(3));
    assert_eq!(take(&[budget()], 4), None);
    assert_eq!(STORE.peek(&budget()), Ok(3));
    assert_eq!(STORE.charge(&budget(), 5), Ok(0));
    // Twelve are used, so ten more are free after eight are returned.
    assert_eq!(STORE.give_back(&budget(), 8), Ok(()));
    assert_eq!(STORE.peek(&budget()), Ok(6));
    assert_eq!(STORE.peek(&key(&limit, "b")), Ok(10));
    assert_eq!(STORE.peek(&Budget { limit: &limit, key: None }), Ok(10));
    let refused = STORE.take(&[budget()], 11).unwrap().unwrap().1;
    assert_eq!(refused, Verdict::Refused { wait: None });
}

#[test]
fn several_budgets_are_taken_from_together() {
    let _host = host::install();
    let limit = limit(3, "together");
    assert_eq!(take(&[key(&limit, "a")], 2), Some(1));
    assert_eq!(take(&[key(&limit, "b"), key(&limit, "a")], 2), None);
    assert_eq!(STORE.peek(&key(&limit, "b")), Ok(3));
    assert_eq!(take(&[key(&limit, "b"), key(&limit, "a")], 1), Some(0));
    assert_eq!(STORE.peek(&key(&limit, "b")), Ok(2));
    assert_eq!(STORE.take(&[], 1), Ok(None));
}

#[test]
fn equal_limits_share_their_counts_and_others_do_not() {
    let _host = host::install();
    let (one, same) = (limit(5, "shared"), Limit::new(5, Period::Minute, "shared", "limits[7]"));
    let others = [limit(6, "shared"), limit(5, "other"), Limit::new(5, Period::Hour, "shared", "limits[0]")];
    assert_eq!(take(&[key(&one, "a")], 2), Some(3));
    assert_eq!(take(&[key(&same, "a")], 2), Some(1));
    for other in &others {
        assert_eq!(STORE.peek(&key(other, "a")), Ok(other.amount));
    }
    let of_another = limit(5, "shared");
    assert_eq!(Process::new("another").peek(&key(&of_another, "a")), Ok(5));
}

#[test]
fn a_check_counts_nothing_even_when_the_clock_is_set_back() {
    let host = host::install();
    host.borrow_mut().clock = 1_000_000_000_000;
    let limit = limit(3, "back");
    assert_eq!(take(&[key(&limit, "a")], 1), Some(2));
    host.borrow_mut().clock = 900_000_000_000;
    assert_eq!(take(&[key(&limit, "b"), key(&limit, "a")], 1), Some(1));
    assert_eq!(STORE.peek(&key(&limit, "a")), Ok(1));
    assert_eq!(STORE.peek(&key(&limit, "b")), Ok(2));
    // What counted when the clock was set back expires a window later.
    host.borrow_mut().clock += 62_000_000_000;
    assert_eq!(STORE.peek(&key(&limit, "a")), Ok(3));
}

#[test]
fn a_host_that_fails_is_an_error() {
    let host = host::install();
    let limit = limit(3, "failing");
    assert_eq!(take(&[key(&limit, "a")], 1), Some(2));
    for call in ["time", "shared_data", "set_shared_data"] {
        host.borrow_mut().failing.insert(call, Status::INTERNAL_FAILURE);
        assert_eq!(STORE.take(&[key(&limit, "a")], 1), Err(Status::INTERNAL_FAILURE), "{call}");
        host.borrow_mut().failing.clear();
    }
    let wait = Some(Duration::from_millis(61_875));
    assert_eq!(take(&[key(&limit, "a")], 2), Some(0));
    assert_eq!(STORE.take(&[key(&limit, "a")], 1).unwrap().unwrap().1, Verdict::Refused { wait });
}
