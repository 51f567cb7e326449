//! Background work: calls that no request waits for, such as fetching keys on a timer.
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
//!         // One worker of all fetches, and the others find what it has fetched in the shared data.
//!         if Lease::new("keys.fetch", Duration::from_secs(30)).take() == Ok(true) {
//!             background::spawn("fetch", configurations, async |configurations| {
//!                 for config in configurations {
//!                     let call = HttpCall::get(Cluster::fqdn(&config.service, 80), "/keys");
//!                     match call.send().await {
//!                         Ok(answer) if answer.status() == 200 => {
//!                             let _ = shared::set("keys.keys", answer.body);
//!                         }
//!                         _ => warn!("keys: {} did not answer", &*config.service),
//!                     }
//!                 }
//!             });
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! The guide has [a page](crate::guide::background) on it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::call::{self, CallOuts, Owner};
use crate::{Status, host, shared, time};

/// Work under way.
struct Task {
    id: u32,
    context: u32,
    name: &'static str,
    /// Absent while it runs.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

thread_local! {
    static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    static LAST_ID: Cell<u32> = const { Cell::new(0) };
    /// The number of this VM among those of its `vm_id`; 0 until it has one.
    static WORKER: Cell<u64> = const { Cell::new(0) };
}

/// Begins work that no request waits for, in [`on_configured`](crate::Plugin::on_configured),
/// [`on_tick`](crate::Plugin::on_tick) or [`on_queue_ready`](crate::Plugin::on_queue_ready); `configurations` are the
/// callback's own. It runs at once until its first `await` of an answer, and goes on when the answer has arrived.
///
/// Work of that name that is still under way for the same resource is not begun twice: then nothing happens, and the
/// result is false. Work is dropped, with everything in it, when another configuration takes the place of the one
/// that it began under, and when the gateway removes the plug-in.
pub fn spawn<C: CallOuts<P> + 'static, P>(
    name: &'static str,
    configurations: &[Rc<C>],
    work: impl AsyncFnOnce(Vec<Rc<C>>) + 'static,
) -> bool {
    let context = call::current_context();
    let id = LAST_ID.get().wrapping_add(1);
    LAST_ID.set(id);
    let begun = with_tasks(|tasks| {
        let is_new = !tasks.iter().any(|task| task.context == context && task.name == name);
        if is_new {
            tasks.push(Task { id, context, name, future: None });
        }
        is_new
    });
    if begun {
        let configurations = configurations.to_vec();
        run(id, context, name, Box::pin(async move { work(configurations).await }));
    }
    begun
}

/// Polls work, and keeps it if it waits for an answer.
fn run(id: u32, context: u32, name: &'static str, mut future: Pin<Box<dyn Future<Output = ()>>>) {
    let owner = Owner::Background { id, wake };
    let waits = match call::poll(owner, context, &mut future) {
        Poll::Ready(()) => false,
        Poll::Pending if call::any_open(owner) => true,
        Poll::Pending => {
            crate::error!("background work `{name}` waits for nothing that could come: it is given up");
            false
        }
    };
    let mut future = Some(future);
    with_tasks(|tasks| {
        if let Some(place) = tasks.iter().position(|task| task.id == id) {
            match tasks.get_mut(place) {
                Some(task) if waits => task.future = future.take(),
                _ => drop(tasks.swap_remove(place)),
            }
        }
    });
    // What is not kept is dropped here, when the list is free again: it may forget calls, or begin others.
    drop(future);
}

/// An answer for work has arrived while the host was in `context`.
fn wake(context: u32, id: u32) {
    let found = with_tasks(|tasks| {
        let task = tasks.iter_mut().find(|task| task.id == id)?;
        Some((task.context, task.name, task.future.take()?))
    });
    let Some((own, name, future)) = found else { return };
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

/// Changes the list of tasks: never while one of them runs.
fn with_tasks<T: Default>(change: impl FnOnce(&mut Vec<Task>) -> T) -> T {
    TASKS
        .try_with(|tasks| tasks.try_borrow_mut().ok().map(|mut tasks| change(&mut tasks)))
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// The right to do what one worker of a gateway process is to do, for some time.
///
/// It is kept in [shared data](crate::shared), so a worker that is gone is replaced when its time is over. A lease saves
/// work; it does not exclude: a worker whose time has run out while it waits for an answer does not know, so that two
/// may work for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    key: String,
    time: Duration,
}

impl Lease {
    /// A lease of that key, `<plug-in>.<what>` as for all shared data, which ends `time` after it was last taken: some
    /// times the [period](crate::Plugin::tick_period) in which it is asked for. Resources that must not share it have
    /// something of their configuration in the key.
    pub fn new(key: impl Into<String>, time: Duration) -> Self {
        Lease { key: key.into(), time }
    }

    /// Takes the lease, or keeps it for another time if this worker has it already. False where another worker has it.
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
                // A time that is further away than a lease is long was set by a clock that has been put back since.
                holder != worker && until.checked_sub(now).is_some_and(|left| 0 < left && left <= time)
            });
            if is_taken {
                return (None, false);
            }
            let until = now.saturating_add(time);
            (Some([worker.to_le_bytes(), until.to_le_bytes()].concat()), true)
        })
    }

    /// Gives the lease back, if this worker has it, so that another one need not wait for its end.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn give_back(&self) -> Result<(), Status> {
        let worker = worker()?;
        shared::update(&self.key, ATTEMPTS, |old| {
            let is_own = old.and_then(holder).is_some_and(|(holder, _)| holder == worker);
            (is_own.then(|| vec![0; 16]), ())
        })
    }
}

/// More than a gateway has workers.
const ATTEMPTS: u32 = 256;

/// Who has a lease, and until when.
fn holder(value: &[u8]) -> Option<(u64, u64)> {
    let (holder, until) = value.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*holder), u64::from_le_bytes(until.try_into().ok()?)))
}

/// The number of this VM, which no other has.
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
