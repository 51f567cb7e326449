//! A root context on the thread that asks: no thread of its own, and many in one VM.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use anyhow::bail;
use sdk::native::Entry;

use super::VmHost;
use super::mock::MockHost;
use super::shared::Shared;
use super::stream::Stream;
use crate::case::{Request, Setup, Upstream};
use crate::outcome::Outcome;
use crate::{Load, Loaded};

/// What the roots of a VM have in common.
#[derive(Clone, Default)]
pub(crate) struct Common {
    metrics: Shared,
    /// The last context that was made.
    contexts: Arc<AtomicU32>,
}

impl Common {
    fn context(&self) -> u32 {
        self.contexts.fetch_add(1, Relaxed) + 1
    }

    /// Makes another root, with a host of its own.
    pub(crate) fn load(&self, setup: &Setup, entry: Entry) -> Load {
        let configuration = setup.configuration.clone().unwrap_or_default().into_bytes();
        let size = configuration.len();
        let host = MockHost::new(setup.gateway.clone(), configuration, self.metrics.with_other_data());
        let root = Root {
            context: self.context(),
            host: Rc::new(RefCell::new(host)),
            entry,
            common: self.clone(),
            counters: BTreeMap::new(),
        };
        sdk::native::install(root.host.clone());
        (entry.on_context_create)(root.context, 0);
        if (entry.on_configure)(root.context, size) {
            return Load::Loaded(Box::new(root));
        }
        let log = std::mem::take(&mut root.host.borrow_mut().log);
        Load::Refused { log }
    }
}

struct Root {
    context: u32,
    host: VmHost,
    entry: Entry,
    common: Common,
    /// What the requests of this root have counted.
    counters: BTreeMap<String, u64>,
}

impl Drop for Root {
    fn drop(&mut self) {
        sdk::native::install(self.host.clone());
        (self.entry.on_delete)(self.context);
    }
}

impl Loaded for Root {
    fn exchange(&mut self, request: &Request, upstream: &Upstream) -> anyhow::Result<Outcome> {
        sdk::native::install(self.host.clone());
        let before = self.host.borrow().counters();
        let context = self.common.context();
        (self.entry.on_context_create)(context, self.context);
        let mut outcome = Stream { entry: &self.entry, host: &self.host, root: self.context, context }
            .exchange(request, upstream);
        // Other roots count too.
        for (name, value) in &outcome.counters {
            let more = value.saturating_sub(before.get(name).copied().unwrap_or_default());
            *self.counters.entry(name.clone()).or_default() += more;
        }
        outcome.counters = self.counters.clone();
        Ok(outcome)
    }

    fn exchange_at_once(&mut self, _: &Request, _: &Upstream) -> anyhow::Result<BTreeMap<u16, u32>> {
        bail!("one thread sends one request at a time")
    }
}
