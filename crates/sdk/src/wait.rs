//! Requests and responses that wait for async work, and the exchange of state between a stream and its work.

use std::any::Any;
use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use crate::Flow;
use crate::abi::MapType;
use crate::flow::{HostFailed, Work};
use crate::headers::LiveHeaders;

/// The configuration of a stream that can wait, an `Rc` of the plug-in's type; `None` in a plug-in without `call_outs`.
pub(crate) type WaitConfig<'a> = Option<&'a dyn Any>;

/// The slot in which a stream and its work exchange the state.
pub(crate) struct StateSlot<S> {
    /// The stream puts the state here when the work starts, and takes it when the work is done or aborted.
    pub(crate) state: Cell<Option<S>>,
    /// True if a host call of the work failed unexpectedly.
    pub(crate) failed: Cell<bool>,
}

impl<S> Default for StateSlot<S> {
    fn default() -> Self {
        StateSlot { state: Cell::new(None), failed: Cell::new(false) }
    }
}

/// A message that waits. It dereferences to [`LiveHeaders`], which can be used until the headers are sent on: in work that a
/// body callback started, they are sent already.
pub struct Waiting<T> {
    /// The state of the request. The work has exclusive access to it.
    pub state: T,
    map: LiveHeaders,
}

/// A request that waits.
pub type WaitingRequest<S = ()> = Waiting<S>;

/// A response that waits. Its state is absent if this plug-in has not seen the request.
pub type WaitingResponse<S = ()> = Waiting<Option<S>>;

impl<T> Deref for Waiting<T> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// Returns the state when the work is done or dropped.
struct StateGuard<S, T: Default + Into<Option<S>>> {
    waiting: Waiting<T>,
    slot: Rc<StateSlot<S>>,
}

impl<S, T: Default + Into<Option<S>>> Drop for StateGuard<S, T> {
    fn drop(&mut self) {
        self.slot.failed.set(self.waiting.map.failed());
        self.slot.state.set(std::mem::take(&mut self.waiting.state).into());
    }
}

/// Creates work on a message. It starts when the callback returns it; only then does it take the state, which `take`
/// converts into the form that the work receives.
pub(crate) fn begin<S, T, C, W>(wait: WaitConfig<'_>, take: fn(Option<S>) -> T, map: MapType, work: W) -> Work
where
    S: 'static,
    T: Default + Into<Option<S>> + 'static,
    C: 'static,
    W: AsyncFnOnce(&mut Waiting<T>, Rc<C>) -> Flow + 'static,
{
    let slot = Rc::<StateSlot<S>>::default();
    let guard_slot = slot.clone();
    let config = wait.and_then(|config| config.downcast_ref::<Rc<C>>()).cloned();
    let future = Box::pin(async move {
        // The type differs only if the plug-in passes another configuration than the callback's argument.
        let Some(config) = config else { return Err(HostFailed) };
        let waiting = Waiting { state: take(guard_slot.state.take()), map: LiveHeaders::new(map) };
        let mut guard = StateGuard { waiting, slot: guard_slot };
        Ok(work(&mut guard.waiting, config).await)
    });
    Work { future, slot }
}
