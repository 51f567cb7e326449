//! A request or response that waits: what its work may use, and how the state comes back.

use std::any::Any;
use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use crate::Flow;
use crate::abi::MapType;
use crate::flow::{HostFailed, Work};
use crate::headers::LiveHeaders;

/// The configuration of a stream that can wait, an `Rc` of a type that only the plug-in knows; nothing in a plug-in
/// without call-outs.
pub(crate) type WaitConfig<'a> = Option<&'a dyn Any>;

/// What a stream and its work hand to each other.
pub(crate) struct StateSlot<S> {
    /// The state: the stream puts it here when the work begins, and finds it here when the work is done or given up.
    pub(crate) state: Cell<Option<S>>,
    /// Whether a host call failed that should not have.
    pub(crate) failed: Cell<bool>,
}

impl<S> Default for StateSlot<S> {
    fn default() -> Self {
        StateSlot { state: Cell::new(None), failed: Cell::new(false) }
    }
}

/// A message while it waits. Its headers are those of the [`LiveHeaders`] that it dereferences to, as long as
/// they have not gone on: in work that a body callback started they have.
pub struct Waiting<T> {
    /// What this request keeps from callback to callback: the work has it to itself.
    pub state: T,
    map: LiveHeaders,
}

/// A request while it waits.
pub type WaitingRequest<S = ()> = Waiting<S>;

/// A response while it waits; its state is absent when this plug-in never saw the request.
pub type WaitingResponse<S = ()> = Waiting<Option<S>>;

impl<T> Deref for Waiting<T> {
    type Target = LiveHeaders;

    fn deref(&self) -> &LiveHeaders {
        &self.map
    }
}

/// Gives the state back, also when the work is dropped before its end.
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

/// Work on a message. It begins when the callback returns it, and `take` makes of the stream's state what the work
/// sees: a work that is dropped instead has taken nothing.
pub(crate) fn begin<S, T, C, W>(
    waits: WaitConfig<'_>,
    take: fn(Option<S>) -> T,
    map: MapType,
    work: W,
) -> Work
where
    S: 'static,
    T: Default + Into<Option<S>> + 'static,
    C: 'static,
    W: AsyncFnOnce(&mut Waiting<T>, Rc<C>) -> Flow + 'static,
{
    let slot = Rc::<StateSlot<S>>::default();
    let guard_slot = slot.clone();
    let config = waits.and_then(|config| config.downcast_ref::<Rc<C>>()).cloned();
    let future = Box::pin(async move {
        // Another configuration than the callback's own, which no call of the VM has.
        let Some(config) = config else { return Err(HostFailed) };
        let waiting = Waiting { state: take(guard_slot.state.take()), map: LiveHeaders::new(map) };
        let mut guard = StateGuard { waiting, slot: guard_slot };
        Ok(work(&mut guard.waiting, config).await)
    });
    Work { future, slot }
}
