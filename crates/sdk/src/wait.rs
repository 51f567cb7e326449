//! A request or response that waits: what its work may use, and how the state comes back.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::ops::Deref;
use std::rc::Rc;

use crate::abi::MapType;
use crate::flow::{Outcome, Work};
use crate::headers::HeaderMap;

/// What a view needs so that its stream can wait: only plug-ins with call-outs have it.
pub(crate) struct Waits<S> {
    /// The configuration of the stream.
    pub(crate) config: Rc<dyn Any>,
    /// Where the work leaves the state; nowhere until something waits.
    pub(crate) parked: OnceCell<Rc<Parked<S>>>,
}

/// What work gives back when it ends.
pub(crate) struct Parked<S> {
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

/// Begins work on a message whose state is `state`.
pub(crate) fn begin<S, T, C, W, D>(waits: Option<&Waits<S>>, state: T, map: MapType, work: W) -> Work
where
    S: 'static,
    T: Into<Option<S>> + 'static,
    C: 'static,
    W: AsyncFnOnce(&mut Waiting<T>, Rc<C>) -> D + 'static,
    D: Into<Outcome>,
{
    let prepared = waits.and_then(|waits| {
        let config = waits.config.clone().downcast::<C>().ok()?;
        Some((config, waits.parked.get_or_init(Rc::default).clone()))
    });
    Work(Box::pin(async move {
        // Another configuration than the callback's own, which no call of the VM has.
        let Some((config, parked)) = prepared else { return Outcome::Failed };
        let mut waiting = Waiting { state, map: HeaderMap::new(map) };
        let decision = work(&mut waiting, config).await;
        parked.failed.set(waiting.map.failed());
        parked.state.set(waiting.state.into());
        decision.into()
    }))
}
