//! A request or response that waits: what its work may use, and how the state comes back.

use std::any::Any;
use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use crate::Flow;
use crate::abi::MapType;
use crate::flow::{HostFailed, Work};
use crate::headers::HeaderMap;

/// The configuration of a stream that can wait, an `Rc` of a type that only the plug-in knows; nothing in a plug-in
/// without call-outs.
pub(crate) type Waits<'a> = Option<&'a dyn Any>;

/// What a stream and its work hand to each other.
pub(crate) struct Parked<S> {
    /// The state: the stream puts it here when the work begins, and finds it here when the work is done or given up.
    pub(crate) state: Cell<Option<S>>,
    /// Whether a host call failed that should not have.
    pub(crate) failed: Cell<bool>,
}

impl<S> Default for Parked<S> {
    fn default() -> Self {
        Parked { state: Cell::new(None), failed: Cell::new(false) }
    }
}

/// A message while it waits. Its headers are those of the [`HeaderMap`] that it dereferences to, as long as
/// they have not gone on: in work that a body callback started they have.
pub struct Waiting<T> {
    /// What this request keeps from callback to callback: the work has it to itself.
    pub state: T,
    map: HeaderMap,
}

/// A request while it waits.
pub type WaitingRequest<S = ()> = Waiting<S>;

/// A response while it waits; its state is absent when this plug-in never saw the request.
pub type WaitingResponse<S = ()> = Waiting<Option<S>>;

impl<T> Deref for Waiting<T> {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.map
    }
}

/// Gives the state back, also when the work is dropped before its end.
struct Lent<S, T: Default + Into<Option<S>>> {
    waiting: Waiting<T>,
    parked: Rc<Parked<S>>,
}

impl<S, T: Default + Into<Option<S>>> Drop for Lent<S, T> {
    fn drop(&mut self) {
        self.parked.failed.set(self.waiting.map.failed());
        self.parked.state.set(std::mem::take(&mut self.waiting.state).into());
    }
}

/// Work on a message. It begins when the callback returns it, and `lend` makes of the stream's state what the work
/// sees: a work that is dropped instead has taken nothing.
pub(crate) fn begin<S, T, C, W>(waits: Waits<'_>, lend: fn(Option<S>) -> T, map: MapType, work: W) -> Work
where
    S: 'static,
    T: Default + Into<Option<S>> + 'static,
    C: 'static,
    W: AsyncFnOnce(&mut Waiting<T>, Rc<C>) -> Flow + 'static,
{
    let parked = Rc::<Parked<S>>::default();
    let home = parked.clone();
    let config = waits.and_then(|config| config.downcast_ref::<Rc<C>>()).cloned();
    let future = Box::pin(async move {
        // Another configuration than the callback's own, which no call of the VM has.
        let Some(config) = config else { return Err(HostFailed) };
        let waiting = Waiting { state: lend(home.state.take()), map: HeaderMap::new(map) };
        let mut lent = Lent { waiting, parked: home };
        Ok(work(&mut lent.waiting, config).await)
    });
    Work { future, parked }
}
