//! Limits are isolated: requests under one do not affect another, and memory use is bounded.

#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use host::TestHost;

/// A VM with this configuration.
struct Gateway {
    host: Rc<RefCell<TestHost>>,
    entry: sdk::native::Entry,
    stream: u32,
}

impl Gateway {
    fn new(configuration: &str) -> Self {
        let host = TestHost { configuration: configuration.into(), ..TestHost::default() };
        let host = Rc::new(RefCell::new(host));
        sdk::native::install(host.clone());
        let entry = key_rate_limit::entry();
        (entry.on_context_create)(1, 0);
        assert!((entry.on_configure)(1, configuration.len()));
        Gateway { host, entry, stream: 1 }
    }

    /// Returns true if a request with these headers passes.
    fn passes(&mut self, headers: &[(&'static str, String)]) -> bool {
        self.host.borrow_mut().headers = headers.to_vec();
        self.stream += 1;
        (self.entry.on_context_create)(self.stream, 1);
        const CONTINUE: u32 = 0;
        let action = self.entry.on_request_headers.unwrap()(self.stream, headers.len(), true);
        (self.entry.on_delete)(self.stream);
        let replies = std::mem::take(&mut self.host.borrow_mut().replies);
        assert!(replies.iter().all(|(status, _)| *status == 429), "{replies:?}");
        assert_eq!(action == CONTINUE, replies.is_empty());
        replies.is_empty()
    }

    /// Returns the number of entries and bytes of the shared data.
    fn shared(&self) -> (usize, usize) {
        let data = &self.host.borrow().data;
        (data.len(), data.iter().map(|(name, (value, _))| name.len() + value.len()).sum())
    }
}

const LIMITS: &str = r#"{
    "rule_name": "apart",
    "rule_items": [
        { "limit_by_per_header": "x-attack", "limit_keys": [{ "key": "*", "query_per_day": 1000000 }] },
        { "limit_by_header": "x-named", "limit_keys": [{ "key": "gold", "query_per_day": 3 }] },
        { "limit_by_per_header": "x-user", "limit_keys": [
            { "key": "regexp:^a", "query_per_day": 3 }, { "key": "*", "query_per_day": 2 }
        ] },
        { "limit_by_per_header": "x-other", "limit_keys": [{ "key": "*", "query_per_day": 3 }] }
    ]
}"#;

#[test]
fn a_flood_of_keys_affects_no_other_limit_and_uses_bounded_memory() {
    let mut gateway = Gateway::new(LIMITS);
    let flood = |gateway: &mut Gateway, from: u32| {
        for key in from..from + 60_000 {
            assert!(gateway.passes(&[("x-attack", key.to_string())]), "{key}");
        }
    };
    flood(&mut gateway, 0);
    let before = gateway.shared();
    flood(&mut gateway, 60_000);
    let (names, bytes) = gateway.shared();
    // One more for the seed.
    assert!(names <= 16_384 + 1, "{names}");
    assert!(names - before.0 < 1_000 && bytes < 4_000_000, "{before:?} {names} {bytes}");
    // A third of the rows is full. Keys of other limits still have their full limit.
    for (name, limit) in [("x-named", 3), ("x-user", 3), ("x-other", 3)] {
        for key in 0..if name == "x-named" { 1 } else { 100 } {
            let key = if name == "x-named" { "gold".into() } else { format!("a{key}") };
            for request in 1..=limit + 1 {
                let passes = gateway.passes(&[(name, key.clone())]);
                assert_eq!(passes, request <= limit, "{name}: {key}, request {request}");
            }
        }
    }
}

#[test]
fn keys_beyond_the_slots_of_their_limit_share_a_count() {
    let mut gateway = Gateway::new(
        r#"{ "rule_items": [{ "limit_by_per_header": "x-user", "limit_keys": [{ "key": "*", "query_per_day": 2 }] }] }"#,
    );
    let mut passed = 0;
    for key in 0..120_000 {
        passed += u32::from(gateway.passes(&[("x-user", key.to_string())]));
    }
    // Eight slots in each row, and two requests of all other keys in it.
    assert!((100_000..120_000).contains(&passed), "{passed}");
    let (names, bytes) = gateway.shared();
    assert!(names <= 16_384 + 1 && bytes < 4_000_000, "{names} {bytes}");
    // Early keys keep their own count.
    assert!(gateway.passes(&[("x-user", "0".into())]));
    assert!(!gateway.passes(&[("x-user", "0".into())]));
}

/// Requests: the index of the header, and its value.
fn requests() -> impl Strategy<Value = Vec<(usize, String)>> {
    let request = prop_oneof![
        4 => (Just(0), "[a-z0-9]{1,8}"),
        1 => (Just(1), prop::sample::select(vec!["gold".to_owned(), "silver".into()])),
        1 => (Just(2), "[ab][01]"),
        1 => (Just(3), "[ab][01]"),
    ];
    prop::collection::vec(request, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_limit_is_exact_regardless_of_requests_under_others(requests in requests()) {
        let mut gateway = Gateway::new(LIMITS);
        let mut counts: BTreeMap<(usize, String), u32> = BTreeMap::new();
        for (header, key) in requests {
            let name = ["x-attack", "x-named", "x-user", "x-other"][header];
            let limit = match (header, key.as_str()) {
                (0, _) | (1, "silver") => u32::MAX,
                (2, key) if key.starts_with('b') => 2,
                _ => 3,
            };
            let count = counts.entry((header, key.clone())).or_default();
            *count += 1;
            prop_assert_eq!(gateway.passes(&[(name, key.clone())]), *count <= limit, "{} {}", name, key);
        }
    }

    #[test]
    fn a_request_with_several_keys_counts_under_all_of_them_or_none(
        requests in prop::collection::vec(prop::collection::vec(0_u32..20, 0..20), 1..40),
    ) {
        let mut gateway = Gateway::new(
            r#"{ "rule_items": [{ "limit_by_per_header": "x-user", "limit_keys": [{ "key": "*", "query_per_day": 2 }] }] }"#,
        );
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for keys in requests {
            let headers: Vec<_> = keys.iter().map(|key| ("x-user", key.to_string())).collect();
            let mut keys = keys;
            keys.sort_unstable();
            keys.dedup();
            let free = keys.iter().all(|key| counts.get(key).is_none_or(|count| *count < 2));
            let passes = keys.len() <= 16 && free;
            prop_assert_eq!(gateway.passes(&headers), passes, "{:?}", headers);
            if passes {
                keys.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
            }
        }
    }
}
