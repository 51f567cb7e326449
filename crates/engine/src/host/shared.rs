//! The state shared by all workers of a gateway: data, queues and metrics, as in Envoy 1.40.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::abi::{Answer, Status};

/// A reference for each worker.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    data: Arc<Mutex<Data>>,
    metrics: Arc<Mutex<Metrics>>,
}

/// Data and queues.
#[derive(Default)]
pub(super) struct Data {
    /// Values with their versions.
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_version: u32,
    /// A queue's number is its index here plus 1: 0 means "none" in Envoy.
    queues: Vec<Queue>,
    /// The number of VMs.
    vms: u32,
}

struct Queue {
    name: Vec<u8>,
    entries: VecDeque<Vec<u8>>,
    /// The VM that registered last, the only one that is notified of new entries.
    listener: u32,
    /// Whether a notification is pending.
    ready: bool,
}

/// Metrics; a metric's number is its index here.
#[derive(Default)]
pub(super) struct Metrics(Vec<Metric>);

struct Metric {
    kind: u32,
    name: String,
    value: u64,
}

/// The ABI's numbers for kinds of metrics; the third is the histogram.
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;

impl Shared {
    /// With separate data, and these metrics, whose numbers a VM keeps for all its roots.
    pub(crate) fn with_other_data(&self) -> Self {
        Self { data: Arc::default(), metrics: Arc::clone(&self.metrics) }
    }

    pub(super) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Data {
    pub(super) fn get(&self, key: &[u8]) -> Answer<(Vec<u8>, u32)> {
        self.values.get(key).cloned().ok_or(Status::NOT_FOUND)
    }

    /// A version is compared only with that of an existing value, and 0 with none.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8], version: u32) -> Answer<()> {
        if self.values.get(key).is_some_and(|(_, there)| version != 0 && version != *there) {
            return Err(Status::CAS_MISMATCH);
        }
        self.last_version += 1;
        self.values.insert(key.to_vec(), (value.to_vec(), self.last_version));
        Ok(())
    }

    /// The number of a new VM.
    pub(super) fn another_vm(&mut self) -> u32 {
        self.vms += 1;
        self.vms
    }

    pub(super) fn register_queue(&mut self, name: &[u8], listener: u32) -> Answer<u32> {
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.name == name) {
            queue.listener = listener;
            return self.resolve_queue(name);
        }
        self.queues.push(Queue { name: name.to_vec(), entries: VecDeque::new(), listener, ready: false });
        number(self.queues.len())
    }

    pub(super) fn enqueue(&mut self, queue: u32, value: &[u8]) -> Answer<()> {
        let queue = self.find_queue(queue)?;
        queue.entries.push_back(value.to_vec());
        queue.ready = true;
        Ok(())
    }

    /// The queues with pending notifications for a VM.
    pub(super) fn take_ready(&mut self, vm: u32) -> Vec<u32> {
        let of_vm = |(place, queue): (usize, &mut Queue)| {
            let ready = queue.listener == vm && std::mem::take(&mut queue.ready);
            ready.then(|| number(place + 1).ok()).flatten()
        };
        self.queues.iter_mut().enumerate().filter_map(of_vm).collect()
    }

    pub(super) fn resolve_queue(&self, name: &[u8]) -> Answer<u32> {
        let place = self.queues.iter().position(|queue| queue.name == name);
        number(place.ok_or(Status::NOT_FOUND)? + 1)
    }

    pub(super) fn queue(&mut self, queue: u32) -> Answer<&mut VecDeque<Vec<u8>>> {
        Ok(&mut self.find_queue(queue)?.entries)
    }

    fn find_queue(&mut self, queue: u32) -> Answer<&mut Queue> {
        let place = usize::try_from(queue).ok().and_then(|queue| queue.checked_sub(1));
        place.and_then(|place| self.queues.get_mut(place)).ok_or(Status::NOT_FOUND)
    }
}

impl Metrics {
    pub(super) fn define(&mut self, kind: u32, name: &[u8]) -> Answer<u32> {
        let name = String::from_utf8_lossy(name).into_owned();
        let there = self.0.iter().position(|metric| metric.kind == kind && metric.name == name);
        number(there.unwrap_or_else(|| {
            self.0.push(Metric { kind, name, value: 0 });
            self.0.len() - 1
        }))
    }

    pub(super) fn increment(&mut self, id: u32, offset: i64) -> Answer<()> {
        let metric = self.metric(id)?;
        match metric.kind {
            COUNTER if offset < 0 => Err(Status::BAD_ARGUMENT),
            COUNTER | GAUGE => {
                metric.value = metric.value.saturating_add_signed(offset);
                Ok(())
            }
            _ => Err(Status::BAD_ARGUMENT),
        }
    }

    pub(super) fn record(&mut self, id: u32, value: u64) -> Answer<()> {
        let metric = self.metric(id)?;
        metric.value = if metric.kind == COUNTER { metric.value.saturating_add(value) } else { value };
        Ok(())
    }

    pub(super) fn value(&mut self, id: u32) -> Answer<u64> {
        let metric = self.metric(id)?;
        if matches!(metric.kind, COUNTER | GAUGE) { Ok(metric.value) } else { Err(Status::BAD_ARGUMENT) }
    }

    fn metric(&mut self, id: u32) -> Answer<&mut Metric> {
        let metric = usize::try_from(id).ok().and_then(|id| self.0.get_mut(id));
        metric.ok_or(Status::NOT_FOUND)
    }

    /// Counters and gauges by name.
    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        let shown = self.0.iter().filter(|metric| matches!(metric.kind, COUNTER | GAUGE));
        shown.map(|metric| (metric.name.clone(), metric.value)).collect()
    }
}

fn number(place: usize) -> Answer<u32> {
    u32::try_from(place).map_err(|_| Status::INTERNAL_FAILURE)
}
