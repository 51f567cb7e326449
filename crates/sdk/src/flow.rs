//! The decision of a callback.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use config::StatusCode;

/// The decision of a callback for headers, a body or trailers.
#[derive(Debug)]
#[must_use]
pub enum Flow {
    /// The message continues, with the changes made to it and with everything that was held before.
    Continue,
    /// What has arrived is held until a later callback continues.
    ///
    /// In a body callback, a gateway holds as many bytes as its buffer limit allows and answers a larger request with
    /// 413. In a headers callback, the headers are held until a body callback continues; this works only in gateways
    /// that hold headers, which a plug-in cannot detect (see [pausing](crate::guide::pausing)). Elsewhere no body
    /// arrives and the request hangs.
    ///
    /// At the end of a message and in trailers, this is the same as [`Continue`](Flow::Continue). The same applies to
    /// streams that are [open-ended](crate::StreamKind::is_open_ended), with a warning in the log.
    Hold,
    /// The plug-in responds itself, and the upstream receives no more of the request. In a response whose headers have
    /// been sent, the client sees the response cut off instead.
    Reply(Reply),
    /// The message waits until the work is done, which then decides. What arrives of the body meanwhile is held. See
    /// [`RequestHeaders::wait`](crate::RequestHeaders::wait).
    Wait(Work),
    /// The stream is reset: the client gets no response, or the rest of it is cut off.
    Reset,
}

/// A host call failed that should not.
pub(crate) struct HostFailed;

/// The result of a callback, or of the work that it started.
pub(crate) type Outcome = Result<Flow, HostFailed>;

/// Work that continues after a callback; created by [`RequestHeaders::wait`](crate::RequestHeaders::wait).
pub struct Work {
    pub(crate) future: Pin<Box<dyn Future<Output = Outcome>>>,
    /// A [`StateSlot`](crate::wait::StateSlot) state, of a type that only the plug-in knows.
    pub(crate) slot: Rc<dyn Any>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// A response by the plug-in, instead of the upstream's.
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
    /// Creates a response without a body.
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

    /// Sets the reason, `<plug-in>.<reason>`, without spaces. It appears as the response-code details in the gateway's
    /// access log, in the plug-in's log (level debug), and as a counter of that name.
    pub fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// Sets the part of the configuration that caused the response, for the log: `block_urls[2]`. It must not contain
    /// secrets or data from the request.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body. The gateway adds its length, and `content-type: text/plain` if there is no content type.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With `true`, the response is not sent: it is logged (level info), counted as `<details>.dry_run`, and the request
    /// continues.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}
