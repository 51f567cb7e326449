//! Streams that wait for async work. The work is polled whenever a response to one of its calls has arrived.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::decision::{Point, resolve};
use super::{Choice, Config, Context, Half, Phase, REQUEST, RESPONSE, Stream, Vm, catch_up};
use crate::Plugin;
use crate::abi::{CONTINUE, PAUSE};
use crate::call::{self, Delivery, Kind, Owner};
use crate::flow::{HostFailed, Outcome, Work};
use crate::host;
use crate::wait::StateSlot;

/// The work of a stream.
#[derive(Default)]
pub(super) struct Waiting<S> {
    request: Pause<S>,
    response: Pause<S>,
}

/// The work of one half of a stream.
#[derive(Default)]
pub(super) struct Pause<S> {
    task: Option<Task<S>>,
    /// The size of the body that arrived while work was running, and whether it is complete.
    pub(super) unseen: Option<(usize, bool)>,
}

/// Running work of one half of a stream.
struct Task<S> {
    future: Pin<Box<dyn Future<Output = Outcome>>>,
    slot: Rc<StateSlot<S>>,
    /// The callback that started it.
    point: Point,
    /// True if it owns the stream's state.
    has_state: bool,
}

/// Starts work for a stream and polls it once.
pub(super) fn begin<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    point: Point,
    work: Work,
) -> u32 {
    let Ok(slot) = work.slot.downcast::<StateSlot<P::State>>() else {
        return resolve(context, stream, half, choice, point, Err(HostFailed));
    };
    let state = stream.state.take();
    let has_state = state.is_some();
    slot.state.set(state);
    let task = Task { future: work.future, slot, point, has_state };
    stream.waiting.get_or_insert_default();
    if let Some(pause) = stream.pause(half) {
        pause.task = Some(task);
    }
    match advance(context, stream, half) {
        None => PAUSE,
        Some((point, outcome)) => resolve(context, stream, half, choice, point, outcome),
    }
}

impl<P: Plugin> Stream<P> {
    /// Returns true if a callback of this half has to wait: its own work is running, or the response's work owns the
    /// state, without which no request callback runs.
    pub(super) fn is_busy(&self, half: Half) -> bool {
        let Some(waiting) = &self.waiting else { return false };
        match half.phase {
            Phase::Request => {
                let response_has_state = waiting.response.task.as_ref().is_some_and(|task| task.has_state);
                waiting.request.task.is_some() || response_has_state
            }
            Phase::Response => waiting.response.task.is_some(),
        }
    }

    /// Drops the work of both halves, which returns the state.
    pub(super) fn drop_work(&mut self) {
        for half in [REQUEST, RESPONSE] {
            let Some(task) = self.pause(half).and_then(|pause| pause.task.take()) else { continue };
            let Task { future, slot, has_state, .. } = task;
            drop(future);
            if has_state {
                self.state = slot.state.take();
            }
        }
    }

    /// Returns the work of one half, if the stream has ever waited.
    pub(super) fn pause(&mut self, half: Half) -> Option<&mut Pause<P::State>> {
        let waiting = self.waiting.as_deref_mut()?;
        Some(match half.phase {
            Phase::Request => &mut waiting.request,
            Phase::Response => &mut waiting.response,
        })
    }
}

/// Polls the work of one half. Returns its result if it is done, and `None` if it still waits or if there is none.
fn advance<P: Plugin>(context: u32, stream: &mut Stream<P>, half: Half) -> Option<(Point, Outcome)> {
    let mut task = stream.pause(half)?.task.take()?;
    let owner = Owner::Stream(context);
    let outcome = match call::poll(owner, context, &mut task.future) {
        Poll::Pending if call::any_open(owner) => {
            stream.pause(half)?.task = Some(task);
            return None;
        }
        Poll::Pending => {
            crate::error!("{}: async task has no pending calls; aborted", P::NAME);
            Err(HostFailed)
        }
        Poll::Ready(outcome) => outcome,
    };
    let Task { future, slot, point, has_state } = task;
    drop(future); // Aborted work returns the state here.
    if has_state {
        stream.state = slot.state.take();
    }
    let failed = slot.failed.take();
    Some((point, if failed { Err(HostFailed) } else { outcome }))
}

impl<P: Plugin> Vm<P> {
    /// `proxy_on_http_call_response`.
    pub fn on_http_call_response(
        &mut self,
        context: u32,
        token: u32,
        headers: usize,
        body: usize,
        trailers: usize,
    ) {
        self.deliver(context, Kind::Http, token, Delivery::Http { headers, body, trailers });
    }

    /// `proxy_on_grpc_receive`.
    pub fn on_grpc_receive(&mut self, context: u32, token: u32, size: usize) {
        self.deliver(context, Kind::Grpc, token, Delivery::GrpcMessage { size });
    }

    /// `proxy_on_grpc_close`.
    pub fn on_grpc_close(&mut self, context: u32, token: u32, status: u32) {
        self.deliver(context, Kind::Grpc, token, Delivery::GrpcStatus(status));
    }

    /// `proxy_on_redis_call_response`.
    #[cfg(feature = "redis")]
    pub fn on_redis_call_response(&mut self, context: u32, token: u32, status: u32, size: usize) {
        self.deliver(context, Kind::Redis, token, Delivery::Redis { status, size });
    }

    /// Wakes the owner of a call whose response has arrived.
    fn deliver(&mut self, context: u32, kind: Kind, token: u32, delivery: Delivery) {
        if let Some(owner) = call::deliver(kind, token, delivery) {
            self.wake(context, owner);
        }
        self.deliver_notifications();
    }

    /// Wakes the owners of notifications that are due.
    pub(super) fn deliver_notifications(&mut self) {
        /// No context, because the host may be in that of the owner before.
        const NONE: u32 = 0;
        while let Some(token) = call::next_notification() {
            if let Some(owner) = call::deliver(Kind::Notification, token, Delivery::Notification) {
                self.wake(NONE, owner);
            }
        }
    }

    /// Wakes the owners of calls that the gateway ended together with their context. They get no response.
    pub(super) fn lose_calls(&mut self, context: u32) {
        while let Some(owner) = call::lose(context) {
            self.wake(context, owner);
        }
    }

    /// Polls the work that waits for a call, while the host is in `context`.
    fn wake(&mut self, context: u32, owner: Owner) {
        let waiting = match owner {
            Owner::Stream(waiting) => waiting,
            Owner::Background { id, wake } => return wake(context, id),
        };
        let Some(Context { config, stream }) = self.streams.get_mut(&waiting) else { return };
        if waiting != context {
            // Some hosts report to the root that a call was made under, and a future may move to another owner.
            host::set_effective_context(waiting);
        }
        let Config::Selected(choice) = config else { return };
        for half in [REQUEST, RESPONSE] {
            if let Some((point, outcome)) = advance(waiting, stream, half) {
                let action = resolve(waiting, stream, half, choice, point, outcome);
                let action = catch_up(waiting, stream, half, choice, action);
                continue_if_decided(stream, half, action);
            }
        }
        // Callbacks of the request may have waited for the state, which the response's work owned.
        let has_unseen = stream.pause(REQUEST).is_some_and(|pause| pause.unseen.is_some());
        if has_unseen && !stream.is_busy(REQUEST) {
            let action = catch_up(waiting, stream, REQUEST, choice, PAUSE);
            continue_if_decided(stream, REQUEST, action);
        }
    }
}

/// Continues a stream that the host has paused since the callback that started the work.
fn continue_if_decided<P: Plugin>(stream: &mut Stream<P>, half: Half, action: u32) {
    if action != CONTINUE {
        return;
    }
    stream.progress(half.phase).held = 0;
    if host::continue_stream(half.stream).is_err() {
        crate::error!("{}: the gateway cannot continue the stream: closing it", P::NAME);
        stream.progress(half.phase).decided = true;
        let _ = host::close_stream(half.stream);
    }
}
