//! The workers of a gateway: a thread with a VM each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use super::abi::Entry;
use super::mock::MockHost;
use super::shared::Shared;
use super::vm::Vm;
use crate::exchange::{Order, Request, Setup, Upstream};
use crate::outcome::{LogLine, Outcome};
use crate::{Load, Loaded};
use anyhow::{Context as _, anyhow, bail};

/// The host of one VM, which its thread shares with the callbacks of the plug-in.
pub type VmHost = Rc<RefCell<MockHost>>;

/// Starts the workers that the setup asks for. On the thread of each, `start` makes the VM: it gives the plug-in's
/// entry points, which are called on that thread only.
///
/// # Errors
///
/// There is no thread, `start` failed, or the plug-in stopped the VM.
pub fn load(
    setup: &Setup,
    start: impl FnOnce(VmHost) -> anyhow::Result<Entry> + Clone + Send + 'static,
) -> anyhow::Result<Load> {
    let shared = Shared::default();
    let mut workers = Vec::new();
    for _ in 0..setup.gateway.workers {
        match Worker::start(start.clone(), setup.clone(), shared.clone())? {
            Ok(worker) => workers.push(worker),
            Err(log) => return Ok(Load::Refused { log }),
        }
    }
    Ok(Load::Loaded(Box::new(Vms { workers, exchanges: 0 })))
}

/// The result of a configuration: the log if the plug-in rejects it.
type Started = anyhow::Result<Result<(), Vec<LogLine>>>;

/// Requests for the thread of a VM, and where their outcomes go.
struct Job {
    requests: Vec<(Request, Upstream)>,
    /// Nothing for one request by itself.
    order: Option<Order>,
    outcomes: Sender<anyhow::Result<Vec<Outcome>>>,
}

/// A worker of the gateway: the thread of a VM.
struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts one, or returns the log if the plug-in rejects its configuration.
    fn start(
        start: impl FnOnce(VmHost) -> anyhow::Result<Entry> + Send + 'static,
        setup: Setup,
        shared: Shared,
    ) -> anyhow::Result<Result<Self, Vec<LogLine>>> {
        // The plug-in's state is in the thread, as that of a VM is in its memory.
        let (jobs, work) = channel::<Job>();
        let (loaded, load) = channel();
        let thread = std::thread::Builder::new()
            .name("vm".into())
            .spawn(move || run(start, setup, shared, &loaded, &work))
            .context("no thread for the plug-in")?;
        match load.recv() {
            Ok(Ok(Ok(()))) => Ok(Ok(Self { jobs: Some(jobs), thread: Some(thread) })),
            Ok(Ok(Err(log))) => Ok(Err(log)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(panicked(thread)),
        }
    }

    /// Has a request done; nothing when the thread has ended.
    fn exchange(&self, request: &Request, upstream: &Upstream) -> Option<Outcome> {
        let outcomes = self.run(vec![(request.clone(), upstream.clone())], None)?;
        outcomes.ok()?.pop()
    }

    /// Has requests done; nothing when the thread has ended.
    fn run(
        &self,
        requests: Vec<(Request, Upstream)>,
        order: Option<Order>,
    ) -> Option<anyhow::Result<Vec<Outcome>>> {
        let (outcomes, result) = channel();
        self.jobs.as_ref()?.send(Job { requests, order, outcomes }).ok()?;
        result.recv().ok()
    }

    /// Why the thread has ended.
    fn stopped(&mut self) -> anyhow::Error {
        self.thread.take().map_or_else(|| anyhow!("the plug-in has stopped"), panicked)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the exchange that met it.
            let _ = thread.join();
        }
    }
}

/// The workers of one gateway.
struct Vms {
    workers: Vec<Worker>,
    exchanges: usize,
}

impl Loaded for Vms {
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        let turn = self.exchanges % self.workers.len().max(1);
        self.exchanges += 1;
        let worker = self.workers.get_mut(turn).context("a gateway has at least one worker")?;
        worker.exchange(request, upstream).ok_or_else(|| worker.stopped())
    }

    fn interleave(
        &mut self,
        requests: &[(Request, Upstream)],
        order: &Order,
    ) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        if !requests.is_empty() && self.workers.len() != 1 {
            bail!("requests are open at once in one VM: write `gateway: {{ workers: 1 }}`");
        }
        for worker in &mut self.workers {
            let came = worker.run(requests.to_vec(), Some(order.clone()));
            outcomes.extend(came.ok_or_else(|| worker.stopped())??);
        }
        Ok(outcomes)
    }

    fn exchange_at_once(
        &mut self,
        request: &Request,
        upstream: &Upstream,
        times: u32,
        connections: u32,
    ) -> anyhow::Result<BTreeMap<u16, u32>> {
        let left = AtomicU32::new(times);
        let answers = Mutex::new(BTreeMap::new());
        let connection = |worker: &Worker| {
            while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                let outcome = worker.exchange(request, upstream);
                let status = outcome.and_then(|outcome| outcome.answer).map_or(0, |answer| answer.status);
                *answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
            }
        };
        // Like a connection's socket, it belongs to one worker.
        let workers = self.workers.iter().cycle().take(connections as usize);
        std::thread::scope(|scope| {
            for worker in workers {
                scope.spawn(move || connection(worker));
            }
        });
        Ok(answers.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What stopped the thread of a VM.
fn panicked(thread: JoinHandle<()>) -> anyhow::Error {
    let message = match thread.join() {
        Ok(()) => "it ended".to_owned(),
        Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(message), _) => message.clone(),
            (None, Some(message)) => (*message).to_owned(),
            (None, None) => "no message".to_owned(),
        },
    };
    anyhow!("the plug-in stopped, and with it its VM in a gateway: {message}")
}

/// Lives as long as the VM.
fn run(
    start: impl FnOnce(VmHost) -> anyhow::Result<Entry>,
    setup: Setup,
    shared: Shared,
    loaded: &Sender<Started>,
    work: &Receiver<Job>,
) {
    let host = Rc::new(RefCell::new(MockHost::new(setup.gateway, setup.services, shared)));
    let entry = match start(host.clone()) {
        Ok(entry) => entry,
        Err(error) => {
            // The receiver is gone if this fails.
            let _ = loaded.send(Err(error));
            return;
        }
    };
    let vm = match Vm::start(entry, host, Arc::default(), setup.configuration) {
        Ok(vm) => vm,
        Err(log) => {
            let _ = loaded.send(Ok(Err(log)));
            return;
        }
    };
    if loaded.send(Ok(Ok(()))).is_err() {
        return;
    }
    for Job { requests, order, outcomes } in work.iter() {
        let came = match order {
            Some(order) => vm.interleave(&requests, &order),
            None => Ok(requests.iter().map(|(request, upstream)| vm.exchange(request, upstream)).collect()),
        };
        if outcomes.send(came).is_err() {
            return;
        }
    }
}
