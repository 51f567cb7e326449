//! Work of the background: calls of a root context, which no request waits for, and leases.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use host::TestHost;
use sdk::Status;
use sdk::background::Lease;
use sdk::native::Entry;

const ROOT: u32 = 1;

/// Fetches twice, one after the other, on each tick, when it is configured, and for each entry of a queue.
mod fetches {
    use std::rc::Rc;

    use sdk::background;
    use sdk::call::{Cluster, HttpCall};
    use sdk::prelude::*;
    use sdk::queue::Queue;

    #[derive(Deserialize)]
    pub struct Config {
        name: String,
    }

    struct Fetches;

    /// Says when it is dropped.
    struct Guard(String);

    impl Drop for Guard {
        fn drop(&mut self) {
            info!("{} ends", self.0);
        }
    }

    async fn fetch(configurations: Vec<Rc<Config>>) {
        let _guard = Guard(configurations[0].name.clone());
        for path in ["/1", "/2"] {
            let answer = HttpCall::get(Cluster::named("keys", "keys"), path).send().await;
            info!("{path} {:?}", answer.map(|answer| answer.status()));
        }
    }

    #[plugin(call_outs)]
    impl Plugin for Fetches {
        const NAME: &'static str = "fetches";
        type Config = Config;

        fn on_configured(configurations: &[Rc<Config>]) {
            if configurations[0].name == "at-once" {
                assert!(background::spawn("first", configurations, fetch));
            }
        }

        fn on_tick(configurations: &[Rc<Config>]) {
            if configurations[0].name == "stuck" {
                background::spawn("stuck", configurations, async |_| std::future::pending().await);
                return;
            }
            // Sent before it is awaited, by whom it may be.
            let early = HttpCall::get(Cluster::named("keys", "keys"), "/early").send();
            let begun = background::spawn("fetch", configurations, async |configurations| {
                info!("early {:?}", early.await.map(|answer| answer.status()));
                fetch(configurations).await;
            });
            info!("begun {begun}");
        }

        fn on_queue_ready(_: Queue, configurations: &[Rc<Config>]) {
            background::spawn("queue", configurations, fetch);
        }
    }
}

struct Vm {
    entry: Entry,
    host: Rc<RefCell<TestHost>>,
}

impl Vm {
    fn new(configuration: &'static str) -> Self {
        let vm = Vm { entry: fetches::entry(), host: host::install() };
        (vm.entry.on_context_create)(ROOT, 0);
        assert!(vm.configure(configuration));
        vm
    }

    fn configure(&self, configuration: &'static str) -> bool {
        self.host.borrow_mut().configuration = configuration;
        (self.entry.on_configure)(ROOT, configuration.len())
    }

    fn tick(&self) {
        self.entry.on_tick.unwrap()(ROOT);
    }

    fn answer(&self, token: u32) {
        let mut map = 1u32.to_le_bytes().to_vec();
        map.extend(7u32.to_le_bytes());
        map.extend(3u32.to_le_bytes());
        map.extend(b":status\x00200\x00");
        self.host.borrow_mut().answer = (map, Vec::new());
        self.entry.on_http_call_response.unwrap()(ROOT, token, 1, 0, 0);
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.host.borrow_mut().log)
    }

    fn live(&self) -> usize {
        (self.entry.live.unwrap())()
    }
}

#[test]
fn background_work_of_a_tick_continues_with_each_response_and_is_not_started_twice() {
    let vm = Vm::new(r#"{"name": "a"}"#);
    vm.tick();
    vm.tick();
    assert_eq!(vm.log(), ["begun true", "begun false"]);
    assert_eq!(vm.live(), 1, "a call whose work was not begun is forgotten");
    vm.answer(1);
    vm.answer(3);
    assert_eq!(vm.log(), ["early Ok(200)", "/1 Ok(200)"]);
    vm.answer(4);
    assert_eq!(vm.log(), ["/2 Ok(200)", "a ends"]);
    assert_eq!(vm.live(), 0);
    vm.tick();
    assert_eq!(vm.log(), ["begun true"], "it can begin again");
}

#[test]
fn work_of_a_configuration_and_of_a_queue_is_awaited_too() {
    let vm = Vm::new(r#"{"name": "at-once"}"#);
    vm.entry.on_queue_ready.unwrap()(ROOT, 7);
    for token in [2, 1, 3, 4] {
        vm.answer(token);
    }
    let log = vm.log();
    assert_eq!(log, ["/1 Ok(200)", "/1 Ok(200)", "/2 Ok(200)", "at-once ends", "/2 Ok(200)", "at-once ends"]);
}

#[test]
fn work_ends_with_its_configuration_and_with_its_root() {
    let vm = Vm::new(r#"{"name": "at-once"}"#);
    assert!(!vm.configure("[]"), "what is refused ends nothing");
    vm.answer(1);
    vm.log();
    assert!(vm.configure(r#"{"name": "other"}"#));
    assert_eq!(vm.log(), ["at-once ends"]);
    vm.answer(2);
    assert!(vm.log().is_empty(), "a late response is ignored");
    vm.tick();
    vm.answer(3);
    vm.log();
    (vm.entry.on_delete)(ROOT);
    assert_eq!(vm.log(), ["other ends"]);
    assert_eq!(vm.live(), 0);
}

#[test]
fn work_without_pending_calls_is_aborted() {
    let vm = Vm::new(r#"{"name": "stuck"}"#);
    vm.tick();
    assert!(vm.log()[0].contains("`stuck` has no pending calls"));
    vm.tick();
    assert_eq!(vm.log().len(), 1, "it was begun again");
}

#[test]
fn work_that_waits_when_a_thread_ends_does_not_abort_the_process() {
    std::thread::spawn(|| {
        let vm = Vm::new(r#"{"name": "at-once"}"#);
        vm.tick();
    })
    .join()
    .unwrap();
}

/// One worker: a VM is a thread. It takes the lease at a time.
fn take(host: &RefCell<TestHost>, seconds: u64) -> Result<bool, Status> {
    host.borrow_mut().clock = seconds * 1_000_000_000;
    Lease::new("fetches.lease", Duration::from_secs(30)).take()
}

/// Runs code in another worker that shares the data of this one.
fn elsewhere<T: Send + 'static>(
    host: &RefCell<TestHost>,
    run: impl FnOnce(&RefCell<TestHost>) -> T + Send + 'static,
) -> T {
    let shared = std::mem::take(&mut host.borrow_mut().shared);
    let (result, shared) = std::thread::spawn(move || {
        let host = host::install();
        host.borrow_mut().shared = shared;
        let result = run(&host);
        let shared = std::mem::take(&mut host.borrow_mut().shared);
        (result, shared)
    })
    .join()
    .unwrap();
    host.borrow_mut().shared = shared;
    result
}

#[test]
fn one_worker_holds_a_lease_until_it_expires() {
    let host = host::install();
    assert_eq!(take(&host, 100), Ok(true));
    assert_eq!(take(&host, 110), Ok(true), "it keeps it");
    assert_eq!(elsewhere(&host, |host| take(host, 139)), Ok(false));
    assert_eq!(elsewhere(&host, |host| take(host, 140)), Ok(true), "30 s after it was kept");
    assert_eq!(take(&host, 141), Ok(false), "another has it now");
}

#[test]
fn turning_back_the_clock_does_not_extend_a_lease() {
    let host = host::install();
    assert_eq!(take(&host, 1_000_000), Ok(true));
    assert_eq!(elsewhere(&host, |host| take(host, 100)), Ok(true));
}

#[test]
fn only_the_holder_can_release_a_lease() {
    let host = host::install();
    let lease = || Lease::new("fetches.lease", Duration::from_secs(30));
    assert_eq!(take(&host, 100), Ok(true));
    assert_eq!(elsewhere(&host, move |host| (lease().release(), take(host, 101))), (Ok(()), Ok(false)));
    assert_eq!(lease().release(), Ok(()));
    assert_eq!(elsewhere(&host, |host| take(host, 102)), Ok(true));
    host.borrow_mut().failing.insert("shared_data", Status::INTERNAL_FAILURE);
    assert_eq!(take(&host, 200), Err(Status::INTERNAL_FAILURE));
}
