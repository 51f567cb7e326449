//! Applies the decision of a callback, or of the work that it started, to a stream. No other module does.

use super::reply::{HOST_FAILURE, fail, send};
use super::{Choice, Half, Phase, Progress, Stream, task};
use crate::abi::{CONTINUE, PAUSE};
use crate::flow::{HostFailed, Outcome};
use crate::{Flow, Plugin, host};

/// The callback that made a decision.
#[derive(Clone, Copy)]
pub(super) enum Point {
    Headers {
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
    /// Returns true if no later callback could release what is held here.
    fn is_end(self) -> bool {
        match self {
            Point::Headers { end_of_stream } => end_of_stream,
            Point::Body { last, .. } => last,
            Point::Trailers => true,
        }
    }
}

/// Ends a callback. `failed` is true if a host call failed. Nearly every message continues, so the other outcomes are in
/// a function of their own.
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

/// Applies a decision, records what the gateway holds afterwards, and returns the action for the host. The caller that
/// passes the action on also resets `held`, because nothing continues before the host has it.
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
        Ok(Flow::Hold) if point.is_end() || stream.must_continue(half, point, choice) => CONTINUE,
        Ok(Flow::Hold) => PAUSE,
        Err(HostFailed) => fail::<P>(half.stream, HOST_FAILURE),
        Ok(Flow::Reply(reply)) => {
            stream.progress(half.phase).decided = true;
            send::<P>(&reply, choice.rule, half.stream)
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
        // Without `call_outs` no work can be created.
        Ok(Flow::Wait(_)) => fail::<P>(half.stream, HOST_FAILURE),
    };
    if action == PAUSE {
        stream.progress(half.phase).hold(point);
    }
    action
}

impl Progress {
    /// Records how much of the body the gateway holds that the plug-in has already read.
    fn hold(&mut self, point: Point) {
        if let Point::Body { size, .. } = point {
            self.held = size;
        }
    }
}

impl<P: Plugin> Stream<P> {
    /// Records that the plug-in has read the end of a body.
    fn note_end(&mut self, half: Half, point: Point) {
        if let Point::Body { last: true, .. } = point {
            self.progress(half.phase).ended = true;
        }
    }

    /// Returns true if the stream must not be held, because its sender may wait for the other side. Logs a warning once.
    /// Neither is a body held if the plug-in declares that it holds none: its headers were not read, so it may be
    /// open-ended.
    fn must_continue(&mut self, half: Half, point: Point, choice: &Choice<P::Config>) -> bool {
        let kind = self.progress(half.phase).kind;
        let declared = match (point, half.phase) {
            (Point::Body { .. }, Phase::Request) => P::holds_request_body(&choice.config),
            (Point::Body { .. }, Phase::Response) => P::holds_response_body(&choice.config),
            _ => true,
        };
        if declared && !kind.is_open_ended() {
            return false;
        }
        if !std::mem::replace(&mut self.warned, true) {
            if declared {
                crate::warn!("{}: {kind} cannot be held, it has no end to wait for: continuing", P::NAME);
            } else {
                crate::warn!(
                    "{}: a body cannot be held where holds_…_body returns false: continuing",
                    P::NAME
                );
            }
        }
        true
    }
}
