//! The trait that a plug-in implements.

use std::rc::Rc;
use std::time::Duration;

use config::{Configuration, StatusCode};

use crate::queue::Queue;
use crate::quota::ServiceLimit;
use crate::{
    Flow, Reply, RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders,
    ResponseTrailers, StreamEnd,
};

/// A plug-in: its configuration, and its callbacks for the phases of a request.
///
/// Implement the callbacks that you need and put [`#[plugin]`](crate::plugin) before the `impl`, once per module, in its
/// `lib.rs`. The attribute adds [`NAME`](Plugin::NAME) and [`State`](Plugin::State) if you omit them, and exports the
/// callbacks that you implement, no others.
///
/// The functions have no `self`: data that outlives a callback is either configuration, which is shared and never
/// changes, or state, which belongs to one request.
///
/// ```
/// use sdk::prelude::*;
///
/// /// Counts the bytes of the request body and reports them in a response header.
/// struct CountBytes;
///
/// #[derive(Deserialize)]
/// struct Config {}
///
/// #[plugin]
/// impl Plugin for CountBytes {
///     type Config = Config;
///     type State = usize;
///
///     fn on_request_body(body: &mut RequestBody<usize>, _: &Config) -> Flow {
///         *body.state += body.chunk().len();
///         Flow::Continue
///     }
///
///     fn on_response_headers(response: &mut ResponseHeaders<usize>, _: &Config) -> Flow {
///         // Absent if the reply was sent before this plug-in saw the request.
///         if let Some(bytes) = &response.state {
///             response.set("x-request-bytes", bytes.to_string());
///         }
///         Flow::Continue
///     }
/// }
/// # fn main() {}
/// ```
pub trait Plugin: Sized + 'static {
    /// The plug-in's name in logs and metrics. `#[plugin]` adds the name of the package.
    const NAME: &'static str;

    /// What happens to a request when a host call fails unexpectedly.
    const ON_FAILURE: Failure = Failure::Closed;

    /// True if requests can [wait](crate::call). Set by `#[plugin(call_outs)]`.
    #[doc(hidden)]
    const CALL_OUTS: bool = false;

    /// True if [`on_request_body`](Plugin::on_request_body) is implemented. Set by `#[plugin]`.
    #[doc(hidden)]
    const REQUEST_BODY: bool = false;

    /// True if [`on_response_body`](Plugin::on_response_body) is implemented. Set by `#[plugin]`.
    #[doc(hidden)]
    const RESPONSE_BODY: bool = false;

    /// True if [`on_tick`](Plugin::on_tick) is implemented. Set by `#[plugin]`.
    #[doc(hidden)]
    const TICKS: bool = false;

    /// The configuration: a type that derives [`serde::Deserialize`], or one that implements [`Configuration`].
    type Config: Configuration;

    /// The state of a request, kept from callback to callback. `#[plugin]` adds `()`.
    type State: Default + 'static;

    /// Called with the headers of a request.
    fn on_request_headers(request: &mut RequestHeaders<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (request, config);
        Flow::Continue
    }

    /// Called with bytes of a request's body. In the last call, [`is_last`](crate::Body::is_last) is true, whether the
    /// body ends with bytes, without any, or with trailers. Not called for requests without a body.
    fn on_request_body(body: &mut RequestBody<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (body, config);
        Flow::Continue
    }

    /// Returns true if [`on_request_body`](Plugin::on_request_body) may hold a body with this configuration.
    ///
    /// If so, the SDK determines the [kind](crate::StreamKind) of stream from the headers of a request with a body, because
    /// an open-ended stream must not be held. This costs one host call, shared with the first
    /// [`all`](crate::LiveHeaders::all) in the headers callback. Return false if bodies are only streamed, to avoid it:
    /// [`Hold`](crate::Flow::Hold) for a body then continues, with a warning in the log.
    fn holds_request_body(config: &Self::Config) -> bool {
        let _ = config;
        true
    }

    /// Called with the trailers of a request, after [`on_request_body`](Plugin::on_request_body) was called with the end of
    /// the body.
    fn on_request_trailers(trailers: &mut RequestTrailers<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (trailers, config);
        Flow::Continue
    }

    /// Called with the headers of a response, from the upstream or from a local reply.
    fn on_response_headers(response: &mut ResponseHeaders<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (response, config);
        Flow::Continue
    }

    /// Called with bytes of a response's body, like [`on_request_body`](Plugin::on_request_body).
    fn on_response_body(body: &mut ResponseBody<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (body, config);
        Flow::Continue
    }

    /// Returns true if [`on_response_body`](Plugin::on_response_body) may hold a body with this configuration, like
    /// [`holds_request_body`](Plugin::holds_request_body).
    fn holds_response_body(config: &Self::Config) -> bool {
        let _ = config;
        true
    }

    /// Called with the trailers of a response, like [`on_request_trailers`](Plugin::on_request_trailers).
    fn on_response_trailers(trailers: &mut ResponseTrailers<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (trailers, config);
        Flow::Continue
    }

    /// Called once when a stream is over: after its response, after a [reply](Flow::Reply), and also if the client or the
    /// upstream broke it off. The gateway writes its access log afterwards.
    ///
    /// Work that the stream still waits for is dropped before, so the state is complete. [`StreamEnd`] says what can be read.
    /// Nothing is called for a stream that no configuration applies to.
    fn on_log(end: &mut StreamEnd<'_, Self::State>, config: &Self::Config) {
        let _ = (end, config);
    }

    /// Returns the limits of a configuration that a rate limit service counts. Only native tools call it, to write the
    /// configuration of the service.
    fn service_limits(config: &Self::Config) -> Vec<ServiceLimit> {
        let _ = config;
        Vec::new()
    }

    /// Called after a configuration has taken effect, with the configurations of the rules in order, then the global one.
    /// Register queues here.
    fn on_configured(configurations: &[Rc<Self::Config>]) {
        let _ = configurations;
    }

    /// Returns the period of [`on_tick`](Plugin::on_tick), in whole milliseconds. The shortest period of all
    /// configurations is used.
    fn tick_period(config: &Self::Config) -> Duration {
        let _ = config;
        Duration::from_secs(1)
    }

    /// Called periodically. Every worker of a gateway calls it, and Envoy's main thread too, for each configuration of
    /// the plug-in that it runs.
    fn on_tick(configurations: &[Rc<Self::Config>]) {
        let _ = configurations;
    }

    /// Called when a queue that this VM has registered has an entry. If several VMs register one queue, a gateway notifies
    /// only the last one.
    fn on_queue_ready(queue: Queue, configurations: &[Rc<Self::Config>]) {
        let _ = (queue, configurations);
    }
}

/// What happens to a request that a plug-in cannot process, because a host call failed or a service did not respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The request continues.
    Open,
    /// The plug-in replies with 503 and the details `<plug-in>.host_failure`.
    Closed,
}

impl Failure {
    /// Returns the decision for a request: continue, or reply with 503 and these details.
    pub fn flow(self, details: &'static str) -> Flow {
        match self {
            Failure::Open => Flow::Continue,
            Failure::Closed => Flow::Reply(Reply::new(StatusCode::SERVICE_UNAVAILABLE).details(details)),
        }
    }
}
