//! The native engine: the plug-in's Rust code against a mock of its host, in this process.
//!
//! A case takes milliseconds and a debugger sees everything. The mock behaves as Envoy does where a case
//! can see it; where the two differ, Envoy is right and the mock is mended.

mod classic;
mod host;
mod maps;
mod reply;
mod stream;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
pub use sdk::native::Entry;

use crate::case::{Request, Setup, Upstream};
use crate::outcome::{LogLine, Outcome};
use crate::{Engine, EngineName, Load, Loaded};
use host::MockHost;
use stream::Stream;

/// The context of the one root that a case has.
const ROOT: u32 = 1;

/// Runs a plug-in that is linked into this process.
pub struct Native {
    entry: fn() -> Entry,
}

impl Native {
    /// An engine for the plug-in that `entry` makes. It is called on the thread of each VM.
    #[must_use]
    pub fn new(entry: fn() -> Entry) -> Self {
        Self { entry }
    }
}

impl Engine for Native {
    fn name(&self) -> EngineName {
        EngineName::Native
    }

    fn load(&self, setup: &Setup) -> anyhow::Result<Load> {
        // The plug-in keeps what it knows in the thread, as a VM does in its memory, so each case has one.
        let (jobs, work) = channel::<Job>();
        let (loaded, load) = channel();
        let (entry, setup) = (self.entry, setup.clone());
        let thread = std::thread::Builder::new()
            .name("vm".into())
            .spawn(move || run(entry, setup, &loaded, &work))
            .context("no thread for the plug-in")?;
        match load.recv() {
            Ok(Ok(())) => Ok(Load::Loaded(Box::new(Vm { jobs: Some(jobs), thread: Some(thread) }))),
            Ok(Err(log)) => Ok(Load::Refused { log }),
            Err(_) => Err(panicked(thread)),
        }
    }
}

/// A request for the thread of a VM, and where its outcome goes.
struct Job {
    request: Request,
    upstream: Upstream,
    outcome: Sender<Outcome>,
}

/// The thread of a VM.
struct Vm {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Loaded for Vm {
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        let (outcome, result) = channel();
        let job = Job { request: request.clone(), upstream: upstream.clone(), outcome };
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        match result.recv() {
            Ok(outcome) if sent => Ok(outcome),
            _ => Err(self.thread.take().map_or_else(|| anyhow!("the plug-in has stopped"), panicked)),
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the exchange that met it.
            let _ = thread.join();
        }
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
    anyhow!("the plug-in panicked, which stops its VM in a gateway: {message}")
}

/// Lives as long as the VM.
fn run(entry: fn() -> Entry, setup: Setup, loaded: &Sender<Result<(), Vec<LogLine>>>, work: &Receiver<Job>) {
    let configuration = setup.configuration.unwrap_or_default().into_bytes();
    let size = configuration.len();
    let host = Rc::new(RefCell::new(MockHost::new(setup.gateway, configuration)));
    sdk::native::install(host.clone());
    let entry = entry();
    (entry.on_context_create)(ROOT, 0);
    let good = (entry.on_configure)(ROOT, size);
    let log = std::mem::take(&mut host.borrow_mut().log);
    if loaded.send(if good { Ok(()) } else { Err(log) }).is_err() || !good {
        return;
    }
    for (context, Job { request, upstream, outcome }) in (ROOT + 1..).zip(work.iter()) {
        (entry.on_context_create)(context, ROOT);
        let stream = Stream { entry: &entry, host: &host, context };
        if outcome.send(stream.exchange(&request, &upstream)).is_err() {
            return;
        }
    }
}
