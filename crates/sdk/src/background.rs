//! Background work: calls that are independent of requests, such as fetching keys on a timer.
//!
//! ```
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use sdk::background::{self, Lease};
//! use sdk::call::{Cluster, HttpCall};
//! use sdk::prelude::*;
//! use sdk::shared;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     service: config::NonEmptyString,
//! }
//!
//! struct Keys;
//!
//! #[plugin(call_outs)]
//! impl Plugin for Keys {
//!     type Config = Config;
//!
//!     fn tick_period(_: &Config) -> Duration {
//!         Duration::from_secs(10)
//!     }
//!
//!     fn on_tick(configurations: &[Rc<Config>]) {
//!         // One worker fetches the keys and stores them in shared data, where the others find them.
//!         if Lease::new("keys.fetch", Duration::from_secs(30)).take() == Ok(true) {
//!             background::spawn("fetch", configurations, async |configurations| {
//!                 for config in configurations {
//!                     let call = HttpCall::get(Cluster::fqdn(&config.service, 80), "/keys");
//!                     match call.send().await {
//!                         Ok(response) if response.status() == 200 => {
//!                             let _ = shared::set("keys.keys", response.body);
//!                         }
//!                         _ => warn!("keys: {} did not respond", &*config.service),
//!                     }
//!                 }
//!             });
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! See [the guide](crate::guide::background).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::call::{self, CallOuts, Owner};
use crate::{Status, host, shared, time};

/// Running work.
struct Task {
    id: u32,
    context: u32,
    name: &'static str,
    /// Absent while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

thread_local! {
    static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    static LAST_ID: Cell<u32> = const { Cell::new(0) };
    /// The number of this VM among the VMs with its `vm_id`; 0 until it has one.
    static WORKER: Cell<u64> = const { Cell::new(0) };
}

/// Starts background work in [`on_configured`](crate::Plugin::on_configured), [`on_tick`](crate::Plugin::on_tick) or
/// [`on_queue_ready`](crate::Plugin::on_queue_ready); `configurations` is the callback's argument. The work runs until its
/// first pending call, and continues when the response has arrived.
///
/// Returns false, without starting it, if work with this name is still running for the same resource. Work is dropped when
/// the configuration under which it started is replaced, and when the gateway removes the plug-in.
pub fn spawn<C: CallOuts<P> + 'static, P>(
    name: &'static str,
    configurations: &[Rc<C>],
    work: impl AsyncFnOnce(Vec<Rc<C>>) + 'static,
) -> bool {
    let context = call::current_context();
    let id = LAST_ID.get().wrapping_add(1);
    LAST_ID.set(id);
    let started = with_tasks(|tasks| {
        let is_new = !tasks.iter().any(|task| task.context == context && task.name == name);
        if is_new {
            tasks.push(Task { id, context, name, future: None });
        }
        is_new
    });
    if started {
        let configurations = configurations.to_vec();
        run(id, context, name, Box::pin(async move { work(configurations).await }));
    }
    started
}

/// Starts work of a root context in any callback, also if work with this name is running.
pub(crate) fn start(root: u32, name: &'static str, work: impl Future<Output = ()> + 'static) {
    let before = call::current_context();
    if root != before {
        host::set_effective_context(root);
    }
    begin(root, name, Box::pin(work));
    if root != before {
        host::set_effective_context(before);
    }
}

/// The same for a stream that may be over: its context must not own the calls, which would end with it.
///
/// # Errors
///
/// The host's status if it cannot change the context. The work is dropped.
pub(crate) fn start_after(
    root: u32,
    name: &'static str,
    work: impl Future<Output = ()> + 'static,
) -> Result<(), Status> {
    let before = call::current_context();
    if root != before {
        host::try_set_effective_context(root)?;
    }
    begin(root, name, Box::pin(work));
    if root != before {
        host::set_effective_context(before);
    }
    Ok(())
}

fn begin(root: u32, name: &'static str, work: Pin<Box<dyn Future<Output = ()>>>) {
    let id = LAST_ID.get().wrapping_add(1);
    LAST_ID.set(id);
    with_tasks(|tasks| tasks.push(Task { id, context: root, name, future: None }));
    run(id, root, name, work);
}

/// Polls work, and keeps it if it waits for a call.
fn run(id: u32, context: u32, name: &'static str, mut future: Pin<Box<dyn Future<Output = ()>>>) {
    let owner = Owner::Background { id, wake };
    let waits = match call::poll(owner, context, &mut future) {
        Poll::Ready(()) => false,
        Poll::Pending if call::any_open(owner) => true,
        Poll::Pending => {
            crate::error!("background task `{name}` has no pending calls; aborted");
            false
        }
    };
    let mut future = Some(future);
    with_tasks(|tasks| {
        if let Some(index) = tasks.iter().position(|task| task.id == id) {
            match tasks.get_mut(index) {
                Some(task) if waits => task.future = future.take(),
                _ => drop(tasks.swap_remove(index)),
            }
        }
    });
    // Dropped here, after the list is released, because dropping the work may remove calls or start other work.
    drop(future);
}

/// Continues work whose response has arrived while the host was in `context`.
fn wake(context: u32, id: u32) {
    let task = with_tasks(|tasks| {
        let task = tasks.iter_mut().find(|task| task.id == id)?;
        Some((task.context, task.name, task.future.take()?))
    });
    let Some((own, name, future)) = task else { return };
    if own != context {
        host::set_effective_context(own);
    }
    run(id, own, name, future);
}

/// Drops the work of a context.
pub(crate) fn cancel(context: u32) {
    let mut cancelled = Vec::new();
    with_tasks(|tasks| {
        cancelled.extend(tasks.extract_if(.., |task| task.context == context));
    });
}

/// Changes the list of tasks. Not called while a task is being polled.
fn with_tasks<T: Default>(change: impl FnOnce(&mut Vec<Task>) -> T) -> T {
    TASKS
        .try_with(|tasks| tasks.try_borrow_mut().ok().map(|mut tasks| change(&mut tasks)))
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// A lease that one worker of a gateway process holds for some time.
///
/// It is stored in [shared data](crate::shared), so another worker takes over when it expires. A lease avoids duplicate
/// work, but does not exclude it: a worker whose lease expires while it waits for a call does not notice, so two workers
/// may run at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    key: String,
    time: Duration,
}

impl Lease {
    /// Creates a lease with a key, `<plug-in>.<key>` as for all shared data, which expires `time` after it was last taken.
    /// Choose a multiple of the [period](crate::Plugin::tick_period) in which it is renewed. For resources that must not
    /// share a lease, include a part of their configuration in the key.
    pub fn new(key: impl Into<String>, time: Duration) -> Self {
        Lease { key: key.into(), time }
    }

    /// Takes the lease, or renews it if this worker holds it already. Returns false if another worker holds it.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn take(&self) -> Result<bool, Status> {
        let worker = worker()?;
        let now = time::nanoseconds()?;
        let time = u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX);
        shared::update(&self.key, ATTEMPTS, |old| {
            let is_taken = old.and_then(holder).is_some_and(|(holder, until)| {
                // An expiry beyond the duration of a lease was set before the clock was turned back.
                holder != worker && until.checked_sub(now).is_some_and(|left| 0 < left && left <= time)
            });
            if is_taken {
                return (None, false);
            }
            let until = now.saturating_add(time);
            (Some([worker.to_le_bytes(), until.to_le_bytes()].concat()), true)
        })
    }

    /// Releases the lease, if this worker holds it, so that another worker need not wait until it expires.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn release(&self) -> Result<(), Status> {
        let worker = worker()?;
        shared::update(&self.key, ATTEMPTS, |old| {
            let is_own = old.and_then(holder).is_some_and(|(holder, _)| holder == worker);
            (is_own.then(|| vec![0; 16]), ())
        })
    }
}

/// More than the number of workers of a gateway.
const ATTEMPTS: u32 = 256;

/// Returns the holder of a lease and its expiry.
fn holder(value: &[u8]) -> Option<(u64, u64)> {
    let (holder, until) = value.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*holder), u64::from_le_bytes(until.try_into().ok()?)))
}

/// Returns the unique number of this VM.
fn worker() -> Result<u64, Status> {
    if WORKER.get() == 0 {
        let number = shared::update("portcullis.workers", ATTEMPTS, |old| {
            let last = old.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
            let number = last.unwrap_or_default() + 1;
            (Some(number.to_le_bytes().into()), number)
        })?;
        WORKER.set(number);
    }
    Ok(WORKER.get())
}
