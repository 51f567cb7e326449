//! What the connections of a service share: how it behaves now, and what was asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use engine::exchange::{Service, ServiceAnswer, Upstream};
use engine::outcome::{Call, UpstreamRequest};

/// What a connection of a service needs.
#[derive(Clone)]
pub(super) struct Shared {
    behaviour: Arc<Mutex<Service>>,
    log: Arc<Mutex<Vec<Call>>>,
    gate: Arc<Gate>,
}

/// Which services answer only when they are told to.
#[derive(Default)]
pub(super) struct Gate {
    held: Mutex<Held>,
    /// Something was released.
    opened: Notify,
}

#[derive(Default)]
struct Held {
    clusters: BTreeSet<String>,
    /// How many calls each has seen, and which of them it may answer.
    seen: BTreeMap<String, usize>,
    released: BTreeSet<(String, usize)>,
}

impl Gate {
    /// Holds the answers of these clusters from now on, and lets all others go.
    pub(super) fn hold(&self, clusters: BTreeSet<String>) {
        *lock(&self.held) = Held { clusters, ..Held::default() };
        self.opened.notify_waiters();
    }

    /// Lets one answer go.
    pub(super) fn release(&self, cluster: &str, call: usize) {
        lock(&self.held).released.insert((cluster.to_owned(), call));
        self.opened.notify_waiters();
    }

    /// Waits until a call that is seen now may be answered.
    async fn pass(&self, cluster: &str) {
        let call = {
            let mut held = lock(&self.held);
            let seen = held.seen.entry(cluster.to_owned()).or_default();
            *seen += 1;
            (cluster.to_owned(), *seen - 1)
        };
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            {
                let held = lock(&self.held);
                if !held.clusters.contains(cluster) || held.released.contains(&call) {
                    return;
                }
            }
            opened.await;
        }
    }
}

impl Shared {
    pub(super) fn new(
        behaviour: &Arc<Mutex<Service>>,
        log: &Arc<Mutex<Vec<Call>>>,
        gate: &Arc<Gate>,
    ) -> Self {
        Self { behaviour: Arc::clone(behaviour), log: Arc::clone(log), gate: Arc::clone(gate) }
    }

    /// Notes a call, and gives what to answer when the time has come; nothing when there is no answer.
    pub(super) async fn answer(&self, request: UpstreamRequest) -> Option<Upstream> {
        let Service { cluster, answer, delay, .. } = lock(&self.behaviour).clone();
        lock(&self.log).push(Call { cluster: cluster.clone(), request });
        self.gate.pass(&cluster).await;
        match answer {
            ServiceAnswer::Answer(answer) => {
                if delay > 0 {
                    tokio::time::sleep(Duration::from_millis(delay.into())).await;
                }
                Some(answer)
            }
            ServiceAnswer::None | ServiceAnswer::Closed => None,
        }
    }
}

pub(super) fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
