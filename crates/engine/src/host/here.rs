//! A root context on the calling thread: without a thread of its own, and with many in one VM.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::abi::Entry;
use super::mock::MockHost;
use super::shared::Shared;
use super::vm::Vm;
use super::worker::VmHost;
use crate::exchange::{Order, Request, Setup, Upstream};
use crate::outcome::Outcome;
use crate::{Load, Loaded};
use anyhow::bail;

/// The shared state of the roots of a VM.
#[derive(Clone)]
pub struct Common {
    /// Installs a host for the plug-in's calls on this thread.
    install: fn(&VmHost),
    metrics: Shared,
    /// The last context.
    contexts: Arc<AtomicU32>,
}

impl Common {
    /// A VM on the threads that use it; `install` installs a host for the plug-in's calls on a thread.
    #[must_use]
    pub fn new(install: fn(&VmHost)) -> Self {
        Self { install, metrics: Shared::default(), contexts: Arc::default() }
    }

    /// Creates another root, with a host of its own.
    #[must_use]
    pub fn load(&self, setup: &Setup, entry: Entry) -> Load {
        let (gateway, services) = (setup.gateway.clone(), setup.services.clone());
        let host = MockHost::new(gateway, services, self.metrics.with_other_data());
        let host = Rc::new(RefCell::new(host));
        (self.install)(&host);
        match Vm::start(entry, host, Arc::clone(&self.contexts), setup.configuration.clone()) {
            Ok(vm) => Load::Loaded(Box::new(Root { vm, install: self.install, counters: BTreeMap::new() })),
            Err(log) => Load::Refused { log },
        }
    }
}

/// A gateway without any plug-in.
///
/// # Errors
///
/// None so far.
pub fn without_plugin(setup: &Setup) -> anyhow::Result<Box<dyn Loaded>> {
    let entry = Entry::new(|_, _| {}, |_, _| true, |_| {});
    match Common::new(|_| {}).load(setup, entry) {
        Load::Loaded(loaded) => Ok(loaded),
        Load::Refused { .. } => bail!("a configuration is refused that nothing reads"),
    }
}

struct Root {
    vm: Vm,
    install: fn(&VmHost),
    /// The counters of this root's requests.
    counters: BTreeMap<String, u64>,
}

impl Drop for Root {
    fn drop(&mut self) {
        (self.install)(&self.vm.host);
        self.vm.retire(&[]);
        self.vm.delete(self.vm.root.get());
    }
}

impl Root {
    /// Runs requests, and records only their counters: other roots have counters too.
    fn counted(
        &mut self,
        requests: impl FnOnce(&Vm) -> anyhow::Result<Vec<Outcome>>,
    ) -> anyhow::Result<Vec<Outcome>> {
        (self.install)(&self.vm.host);
        let before = self.vm.host.borrow().counters();
        let mut outcomes = requests(&self.vm)?;
        if let Some(outcome) = outcomes.last() {
            for (name, value) in &outcome.counters {
                let more = value.saturating_sub(before.get(name).copied().unwrap_or_default());
                *self.counters.entry(name.clone()).or_default() += more;
            }
        }
        outcomes.iter_mut().for_each(|outcome| outcome.counters = self.counters.clone());
        Ok(outcomes)
    }
}

impl Loaded for Root {
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        let outcomes = self.counted(|vm| Ok(vec![vm.exchange(request, upstream)]))?;
        Ok(outcomes.into_iter().next().unwrap_or_default())
    }

    fn interleave(
        &mut self,
        requests: &[(Request, Upstream)],
        order: &Order,
    ) -> anyhow::Result<Vec<Outcome>> {
        self.counted(|vm| vm.interleave(requests, order))
    }

    fn exchange_at_once(
        &mut self,
        _: &Request,
        _: &Upstream,
        _: u32,
        _: u32,
    ) -> anyhow::Result<BTreeMap<u16, u32>> {
        bail!("one thread sends one request at a time")
    }
}
