//! The one place that decides what becomes of a stream after a callback, or after the work that it left behind.

use super::answer::{HOST_FAILURE, answer, fail};
use super::{Choice, Half, Progress, Stream, task};
use crate::abi::{CONTINUE, PAUSE};
use crate::flow::{HostFailed, Outcome};
use crate::{Flow, Plugin, host};

/// Where in its half of a stream a decision falls.
#[derive(Clone, Copy)]
pub(super) enum Point {
    Head {
        end_of_stream: bool,
    },
    /// `size` bytes are in the gateway's buffer, and the plug-in has seen them.
    Body {
        size: usize,
        last: bool,
    },
    Trailers,
}

impl Point {
    /// Whether nothing comes behind it that could let go of what is held here.
    fn is_end(self) -> bool {
        match self {
            Point::Head { end_of_stream } => end_of_stream,
            Point::Body { last, .. } => last,
            Point::Trailers => true,
        }
    }
}

/// Ends a callback, in which a host call may have `failed`. Nearly every message goes on, and what else it may come to
/// is kept apart from that.
#[inline]
pub(super) fn conclude<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    point: Point,
    flow: Flow,
    failed: bool,
) -> u32 {
    if matches!(flow, Flow::Continue) && !failed {
        stream.note_end(half, point);
        return CONTINUE;
    }
    conclude_otherwise(context, stream, half, choice, point, flow, failed)
}

#[inline(never)]
fn conclude_otherwise<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    point: Point,
    flow: Flow,
    failed: bool,
) -> u32 {
    let outcome = if failed { Err(HostFailed) } else { Ok(flow) };
    resolve(context, stream, half, choice, point, outcome)
}

/// Does what was decided, notes what the gateway holds then, and gives the action that tells the host. Nothing goes
/// on before the host has it: what was held is forgotten by who hands it over.
pub(super) fn resolve<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    point: Point,
    outcome: Outcome,
) -> u32 {
    stream.note_end(half, point);
    let action = match outcome {
        Ok(Flow::Continue) => CONTINUE,
        Ok(Flow::Hold) if point.is_end() || stream.goes_on(half) => CONTINUE,
        Ok(Flow::Hold) => PAUSE,
        Err(HostFailed) => fail::<P>(half.stream, HOST_FAILURE),
        Ok(Flow::Reply(reply)) => {
            stream.progress(half.phase).decided = true;
            answer::<P>(&reply, choice.rule, half.stream)
        }
        Ok(Flow::Reset) => {
            stream.progress(half.phase).decided = true;
            match host::close_stream(half.stream) {
                Ok(()) => PAUSE,
                Err(_) => fail::<P>(half.stream, HOST_FAILURE),
            }
        }
        Ok(Flow::Wait(work)) if P::CALL_OUTS => {
            stream.progress(half.phase).hold(point);
            return task::begin(context, stream, half, choice, point, work);
        }
        // Without call-outs no work can be made.
        Ok(Flow::Wait(_)) => fail::<P>(half.stream, HOST_FAILURE),
    };
    if action == PAUSE {
        stream.progress(half.phase).hold(point);
    }
    action
}

impl Progress {
    /// Notes what the gateway holds of the body and the plug-in has seen, until the stream goes on.
    fn hold(&mut self, point: Point) {
        if let Point::Body { size, .. } = point {
            self.held = size;
        }
    }
}

impl<P: Plugin> Stream<P> {
    /// Notes that the plug-in has seen the end of a body.
    fn note_end(&mut self, half: Half, point: Point) {
        if let Point::Body { last: true, .. } = point {
            self.progress(half.phase).ended = true;
        }
    }

    /// Whether what was to be held goes on, because its sender may wait for what comes of it; the log says so.
    fn goes_on(&mut self, half: Half) -> bool {
        let kind = self.progress(half.phase).kind;
        if !kind.is_open_ended() {
            return false;
        }
        if !std::mem::replace(&mut self.warned, true) {
            crate::warn!("{}: {kind} is not held, it has no end to wait for: what arrives goes on", P::NAME);
        }
        true
    }
}
