//! Streams that wait: their work is polled whenever an answer has arrived, and then they go on.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::{Called, Choice, Config, Half, Stream, Vm, carry_out, look_at_body, settle, then_trailers};
use crate::Plugin;
use crate::abi::{CONTINUE, PAUSE};
use crate::call::{self, Delivery, Kind};
use crate::flow::{Outcome, Work};
use crate::host;
use crate::wait::Parked;

/// Work under way, and what has come of the message meanwhile.
pub(super) struct Task<P: Plugin> {
    work: Pin<Box<dyn Future<Output = Outcome>>>,
    parked: Rc<Parked<P::State>>,
    half: Half,
    /// Bytes of the body that the gateway holds and nobody has looked at, and whether they are the last.
    unseen: Option<(usize, bool)>,
}

/// Begins work for a stream; what can be decided at once is.
pub(super) fn begin<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    work: Work,
    parked: Rc<Parked<P::State>>,
) -> u32 {
    stream.task = Some(Box::new(Task { work: work.0, parked, half, unseen: None }));
    match advance(context, stream) {
        None => PAUSE,
        Some((task, outcome)) => {
            // Nothing has arrived since: the callback has not returned yet.
            let called = Called { outcome, parked: Some(task.parked) };
            carry_out(context, stream, half, choice, called)
        }
    }
}

/// Holds a body back while its message waits.
pub(super) fn holds<P: Plugin>(stream: &mut Stream<P>, half: Half, size: usize, last: bool) -> bool {
    match &mut stream.task {
        Some(task) if task.half.phase == half.phase => {
            // At the trailers there is no size; what was there before is still there.
            let size = task.unseen.map_or(size, |(before, _)| before.max(size));
            task.unseen = Some((size, last));
            true
        }
        _ => false,
    }
}

/// Polls the work: nothing while it waits, and when it is done what it came to.
fn advance<P: Plugin>(context: u32, stream: &mut Stream<P>) -> Option<(Box<Task<P>>, Outcome)> {
    let mut task = stream.task.take()?;
    match call::poll(context, &mut task.work) {
        Poll::Pending if call::any_open(context) => {
            stream.task = Some(task);
            None
        }
        Poll::Pending => {
            crate::error!("{}: work waits for nothing that could come: it is given up", P::NAME);
            Some((task, Outcome::Failed))
        }
        Poll::Ready(outcome) => {
            if let Some(state) = task.parked.state.take() {
                stream.state = Some(state);
            }
            let failed = task.parked.failed.take();
            let settled = settle::<P::State>(outcome, failed, None);
            Some((task, settled.outcome))
        }
    }
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
        self.delivered(context, Kind::Http, token, Delivery::Http { headers, body, trailers });
    }

    /// `proxy_on_grpc_receive`.
    pub fn on_grpc_receive(&mut self, context: u32, token: u32, size: usize) {
        self.delivered(context, Kind::Grpc, token, Delivery::GrpcMessage { size });
    }

    /// `proxy_on_grpc_close`.
    pub fn on_grpc_close(&mut self, context: u32, token: u32, status: u32) {
        self.delivered(context, Kind::Grpc, token, Delivery::GrpcStatus(status));
    }

    /// An answer has arrived: the stream that waits for it goes on.
    fn delivered(&mut self, context: u32, kind: Kind, token: u32, delivery: Delivery) {
        let Some(waiting) = call::deliver(kind, token, delivery) else { return };
        let Some(stream) = self.streams.get_mut(&waiting) else { return };
        if waiting != context {
            // Some hosts report to the root that a call was made under.
            host::set_effective_context(waiting);
        }
        let Config::Chosen(choice) = &stream.config else { return };
        let choice = choice.clone();
        if let Some((task, outcome)) = advance(waiting, stream) {
            resume(waiting, stream, &choice, *task, outcome);
        }
    }
}

/// Goes on after the work: with the decision, or with what has arrived of the body meanwhile.
fn resume<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    choice: &Choice<P::Config>,
    task: Task<P>,
    outcome: Outcome,
) {
    let Task { parked, half, unseen, .. } = task;
    let called = match (outcome, unseen) {
        (Outcome::Continue | Outcome::Hold, Some((size, last))) => {
            look_at_body(stream, half, choice, size, last)
        }
        (Outcome::Hold, None) if stream.progress(half.phase).goes_on::<P>() => {
            Called { outcome: Outcome::Continue, parked: Some(parked) }
        }
        (outcome, _) => Called { outcome, parked: Some(parked) },
    };
    let called = then_trailers(stream, half, choice, called);
    // The host waits since the callback that began this: what a callback would return is now a call.
    if carry_out(context, stream, half, choice, called) == CONTINUE {
        stream.progress(half.phase).held = 0;
        if host::continue_stream(half.stream).is_err() {
            crate::error!("{}: the gateway does not let the stream go on: it is closed", P::NAME);
            let _ = host::close_stream(half.stream);
        }
    }
}
