//! What the connections of a service share: how it behaves now, and what was asked of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::case::{Service, ServiceAnswer, Upstream};
use crate::outcome::{Call, UpstreamRequest};

/// What a connection of a service needs.
#[derive(Clone)]
pub(super) struct Shared {
    behaviour: Arc<Mutex<Service>>,
    log: Arc<Mutex<Vec<Call>>>,
}

impl Shared {
    pub(super) fn new(behaviour: &Arc<Mutex<Service>>, log: &Arc<Mutex<Vec<Call>>>) -> Self {
        Self { behaviour: Arc::clone(behaviour), log: Arc::clone(log) }
    }

    /// Notes a call, and gives what to answer when the time has come; nothing when there is no answer.
    pub(super) async fn answer(&self, request: UpstreamRequest) -> Option<Upstream> {
        let Service { cluster, answer, delay, .. } = lock(&self.behaviour).clone();
        lock(&self.log).push(Call { cluster, request });
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
