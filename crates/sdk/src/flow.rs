//! What a callback decides.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use config::StatusCode;

/// What becomes of a request or a response after its head was looked at.
#[derive(Debug)]
#[must_use]
pub enum Flow {
    /// It goes on, with the changes made to it.
    Continue,
    /// It stays until a body callback lets go of it together with the body: only for gateways that hold headers,
    /// which no plug-in can see by itself, see [pausing](crate::guide::pausing). Elsewhere no body comes, and the
    /// request hangs. At the end of a stream, and after trailers, it is [`Continue`](Flow::Continue), and so
    /// it is for what is [open-ended](crate::StreamKind::is_open_ended), with a warning in the log.
    Hold,
    /// It is answered here.
    Reply(Reply),
    /// It waits until the work is done, which decides: see
    /// [`RequestHeaders::wait`](crate::RequestHeaders::wait).
    Wait(Work),
    /// Its stream is reset: the client gets no answer, or what it has of one is cut off.
    Reset,
}

/// What becomes of a body after some of it was looked at.
#[derive(Debug)]
#[must_use]
pub enum BodyFlow {
    /// What has arrived goes on, what was held before it too.
    Continue,
    /// What has arrived is held back until a later call continues; at the last call there is none, and it
    /// goes on. So does what is [open-ended](crate::StreamKind::is_open_ended), with a warning in the log: look at
    /// [`kind`](crate::Body::kind). A gateway holds as much as its buffer limit allows and answers a larger request with 413.
    Hold,
    /// The request is answered here, and the upstream gets no more of it.
    ///
    /// In a response, whose head has gone on, the client sees it cut off instead.
    Reply(Reply),
    /// It waits until the work is done, which decides; what has arrived is held meanwhile.
    Wait(Work),
    /// Its stream is reset, as with [`Flow::Reset`].
    Reset,
}

/// What a callback, or the work that it left behind, came to.
pub(crate) enum Outcome {
    Continue,
    Hold,
    Reply(Reply),
    Wait(Work),
    Reset,
    /// A host call failed that should not.
    Failed,
}

/// What a callback decided, of which most only say that the message goes on.
pub(crate) trait Decided: Into<Outcome> {
    /// Whether it goes on.
    fn goes_on(&self) -> bool;
}

impl Decided for Flow {
    fn goes_on(&self) -> bool {
        matches!(self, Flow::Continue)
    }
}

impl Decided for BodyFlow {
    fn goes_on(&self) -> bool {
        matches!(self, BodyFlow::Continue)
    }
}

/// Work that a callback leaves behind; [`RequestHeaders::wait`](crate::RequestHeaders::wait) makes it.
pub struct Work {
    pub(crate) future: Pin<Box<dyn Future<Output = Outcome>>>,
    /// A [`Parked`](crate::wait::Parked) state, of a type that only the plug-in knows.
    pub(crate) parked: Rc<dyn Any>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

impl From<Flow> for Outcome {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Outcome::Continue,
            Flow::Hold => Outcome::Hold,
            Flow::Reply(reply) => Outcome::Reply(reply),
            Flow::Wait(work) => Outcome::Wait(work),
            Flow::Reset => Outcome::Reset,
        }
    }
}

impl From<BodyFlow> for Outcome {
    fn from(flow: BodyFlow) -> Self {
        match flow {
            BodyFlow::Continue => Outcome::Continue,
            BodyFlow::Hold => Outcome::Hold,
            BodyFlow::Reply(reply) => Outcome::Reply(reply),
            BodyFlow::Wait(work) => Outcome::Wait(work),
            BodyFlow::Reset => Outcome::Reset,
        }
    }
}

/// An answer of the plug-in's own, instead of the upstream's.
///
/// ```
/// use sdk::Reply;
///
/// let reply = Reply::new(config::StatusCode::FORBIDDEN)
///     .details("request-block.url_blocked")
///     .header("content-type", "text/plain")
///     .body("Not here.");
/// # let _ = reply;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) details: &'static str,
    pub(crate) cause: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) dry_run: bool,
}

impl Reply {
    /// An empty answer.
    pub fn new(status: StatusCode) -> Self {
        Reply {
            status,
            details: "",
            cause: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            dry_run: false,
        }
    }

    /// Why: `<plug-in>.<reason>`, without spaces. It appears as the response-code details in the gateway's
    /// access log, in the plug-in's own log (level debug), and as a counter of that name.
    pub fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// What in the configuration caused it, for the line in the log: `block_urls[2]`. Never a secret, nor
    /// anything that the request holds.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body; the gateway adds its length, and `content-type: text/plain` unless there is one.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With `true` the answer is not given: it is logged (level info) and counted as
    /// `<details>.dry_run`, and the request passes.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}
